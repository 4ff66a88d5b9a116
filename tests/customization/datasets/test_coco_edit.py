"""What a diff of an edited COCO file shows."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vision_customization.contract.coco.rules import check_coco
from vision_customization.customization.datasets.coco_edit import AddedImage, CocoEdit, edited, renamed_tags
from vision_customization.customization.datasets.version_content import ContentImage, Label, labels_by_image, valid_coco

CLASSIFICATION, DETECTION, SEVERAL = "imageClassification", "imageObjectDetection", "imageMultiLabelClassification"
LEFT, RIGHT = (0.0, 0.0, 0.5, 0.5), (0.5, 0.5, 0.5, 0.5)


def document(*images: list[Label], tags: tuple[str, ...] = ("ash", "beech")) -> dict[str, Any]:
    annotations = [(number, *label) for number, labels in enumerate(images, start=1) for label in labels]
    return {
        "info": {"year": 2026},
        "images": [
            {"id": number, "width": 64, "height": 48, "file_name": f"{number}.png", "sha256": f"{number:064x}", "license": 7}
            for number, _ in enumerate(images, start=1)
        ],
        "annotations": [
            {
                "id": id_,
                "image_id": image,
                "category_id": tags.index(tag) + 1,
                **({"bbox": list(box), "area": 0.25} if box else {}),
            }
            for id_, (image, tag, box) in enumerate(annotations, start=1)
        ],
        "categories": [{"id": number, "name": tag, "supercategory": "tree"} for number, tag in enumerate(tags, start=1)],
    }


def edit(
    former: dict[str, Any],
    *labels: list[Label] | None,
    kind: str = CLASSIFICATION,
    added: tuple[AddedImage, ...] = (),
    tags: tuple[str, ...] = (),
    dropped: tuple[str, ...] = (),
) -> dict[str, Any]:
    before = copy.deepcopy(former)
    file = valid_coco(former, kind, "train.json")
    wanted = CocoEdit([None if each is None else tuple(each) for each in labels], added, tags, dropped)
    after = edited(former, file, labels_by_image(file), wanted, kind)
    assert former == before, "the one that is passed stays as it is"
    checked, violations = check_coco(after, "train.json", kind)
    assert checked is not None, violations
    found = labels_by_image(checked)
    expected = [sorted(each) for each in labels if each is not None] + [sorted(each.image.labels) for each in added]
    assert [sorted(each) for each in found] == expected
    return after


def new(number: int, *labels: Label) -> AddedImage:
    return AddedImage(ContentImage(f"{number:064x}", ".png", "x.png", 64.0, 48.0, labels), f"new/{number}.png")


ASH, BEECH, OAK = ("ash", None), ("beech", None), ("oak", None)


def changed_lines(before: dict[str, Any], after: dict[str, Any]) -> dict[str, list[tuple[Any, Any]]]:
    """The entries that differ, as pairs by position."""
    return {
        section: [
            pair for pair in zip(before[section], after[section][: len(before[section])], strict=False) if pair[0] != pair[1]
        ]
        for section in ("images", "annotations", "categories")
    }


def test_without_a_change_nothing_changes() -> None:
    former = document([ASH], [BEECH], [])
    assert edit(former, [ASH], [BEECH], []) == former


def test_another_tag_changes_one_line() -> None:
    former = document([ASH], [BEECH], [ASH])
    after = edit(former, [ASH], [ASH], [ASH])
    assert changed_lines(former, after) == {
        "images": [],
        "annotations": [({"id": 2, "image_id": 2, "category_id": 2}, {"id": 2, "image_id": 2, "category_id": 1})],
        "categories": [],
    }


def test_a_label_of_an_image_that_had_none_comes_to_the_end() -> None:
    former = document([ASH], [], [BEECH])
    after = edit(former, [ASH], [OAK], [BEECH], tags=("oak",))
    assert after["annotations"][:2] == former["annotations"]
    assert after["annotations"][2] == {"id": 3, "image_id": 2, "category_id": 3}
    assert after["categories"][2] == {"id": 3, "name": "oak"}


def test_new_images_come_to_the_end_with_the_keys_of_the_others() -> None:
    former = document([ASH], [BEECH])
    after = edit(former, [ASH], [BEECH], added=(new(9, OAK), new(8)))
    assert after["images"][:2] == former["images"]
    assert after["images"][2] == {"id": 3, "width": 64, "height": 48, "file_name": "new/9.png", "sha256": f"{9:064x}"}
    assert after["annotations"][2:] == [{"id": 3, "image_id": 3, "category_id": 3}]


def test_the_id_of_an_image_that_goes_is_given_to_the_last() -> None:
    former = document([ASH], [BEECH], [ASH], [BEECH])
    after = edit(former, [ASH], None, [ASH], [BEECH])
    assert [entry["id"] for entry in after["images"]] == [1, 3, 2]
    assert [(entry["id"], entry["image_id"]) for entry in after["annotations"]] == [(1, 1), (3, 3), (2, 2)]


def test_the_id_of_an_image_that_goes_is_given_to_a_new_one() -> None:
    former = document([ASH], [BEECH], [ASH])
    after = edit(former, [ASH], None, [ASH], added=(new(9, BEECH),))
    assert [entry["id"] for entry in after["images"]] == [1, 3, 2]
    assert [entry["id"] for entry in after["annotations"]] == [1, 3, 2]


def test_a_tag_that_got_another_name_is_one_line() -> None:
    former = document([ASH], [BEECH], [ASH])
    after = edit(former, [("Esche ü", None)], [BEECH], [("Esche ü", None)], tags=("Esche ü",), dropped=("ash",))
    assert after["annotations"] == former["annotations"]
    assert after["categories"] == [{"id": 1, "name": "Esche ü", "supercategory": "tree"}, former["categories"][1]]


def test_a_tag_that_is_on_no_image_any_more_goes_with_its_category() -> None:
    former = document([ASH], [BEECH], [OAK], tags=("ash", "beech", "oak"))
    after = edit(former, [OAK], [BEECH], [OAK], dropped=("ash", "beech"))
    assert [(entry["id"], entry["name"]) for entry in after["categories"]] == [(2, "beech"), (1, "oak")]
    assert [entry["category_id"] for entry in after["annotations"]] == [1, 2, 1]


def test_boxes_keep_their_entries_where_they_are_equal() -> None:
    former = document([("ash", LEFT), ("beech", RIGHT)], [("ash", LEFT)])
    former["annotations"][1]["segmentation"] = [[0, 0, 1, 1]]
    moved = (0.5, 0.5, 0.25, 0.5)
    after = edit(former, [("ash", LEFT), ("beech", moved)], [("beech", LEFT)], kind=DETECTION)
    assert after["annotations"] == [
        former["annotations"][0],
        {"id": 2, "image_id": 1, "category_id": 2, "bbox": [0.5, 0.5, 0.25, 0.5], "area": 0.125},
        {**former["annotations"][2], "category_id": 2},
    ]


def test_crowds_stay_with_their_image_and_their_tag() -> None:
    former = document([("ash", LEFT), ("beech", RIGHT)], [("ash", LEFT)])
    former["annotations"][1]["iscrowd"] = 1
    after = edit(former, [("ash", RIGHT)], [], kind=DETECTION, dropped=("beech",))
    assert after["annotations"][1] == former["annotations"][1]
    assert len(after["annotations"]) == 2
    assert len(after["categories"]) == 2
    assert edit(former, None, [("ash", LEFT)], kind=DETECTION, dropped=("beech",))["categories"] == former["categories"][:1]


def test_several_tags_of_an_image() -> None:
    former = document([ASH, BEECH], [ASH, ASH, BEECH])
    assert edit(former, [ASH, BEECH], [ASH, BEECH], kind=SEVERAL) == former, "a repetition stays"
    after = edit(former, [BEECH, OAK], [ASH], kind=SEVERAL)
    assert [(entry["image_id"], entry["category_id"]) for entry in after["annotations"]] == [(1, 3), (1, 2), (2, 1), (2, 1)]


@pytest.mark.parametrize(
    ("after", "names"),
    [
        ([("Esche",), ("beech",)], {"ash": "Esche"}),
        ([("Esche",), ("Esche",)], {}),
        ([("Esche",), ("Buche",)], {"ash": "Esche", "beech": "Buche"}),
        ([(), ("beech",)], {}),
    ],
)
def test_which_tags_only_got_another_name(after: list[tuple[str, ...]], names: dict[str, str]) -> None:
    labels = [tuple((tag, None) for tag in tags) for tags in after]
    assert renamed_tags([(ASH,), (BEECH,)], labels, ["ash", "beech"], ["Esche", "Buche"]) == names


TAGS = st.sampled_from(["ash", "beech", "oak", "Ölbaum"])
LABELS = {
    CLASSIFICATION: st.lists(st.tuples(TAGS, st.none()), max_size=1),
    SEVERAL: st.lists(st.tuples(TAGS, st.none()), max_size=3, unique=True),
    DETECTION: st.lists(st.tuples(TAGS, st.sampled_from([LEFT, RIGHT, (0.1, 0.1, 0.1, 0.1)])), max_size=4),
}


@st.composite
def changes(draw: st.DrawFn) -> tuple[str, list[list[Label]], list[list[Label] | None], list[list[Label]]]:
    """A kind, the labels of the images in a file, those that they get, and those of new images."""
    kind = draw(st.sampled_from([CLASSIFICATION, SEVERAL, DETECTION]))
    former = draw(st.lists(LABELS[kind], min_size=1, max_size=6))
    after = [draw(st.one_of(st.just(labels), st.none(), LABELS[kind])) for labels in former]
    return kind, former, after, draw(st.lists(LABELS[kind], max_size=3))


@given(drawn=changes(), dropped=st.sets(TAGS))
def test_whatever_changes_the_file_is_valid_and_says_that(
    drawn: tuple[str, list[list[Label]], list[list[Label] | None], list[list[Label]]], dropped: set[str]
) -> None:
    kind, labels, after, further = drawn
    former = document(*labels, tags=("ash", "beech", "oak", "Ölbaum"))
    added = tuple(new(number, *each) for number, each in enumerate(further, start=100))
    result = edit(former, *after, kind=kind, added=added, dropped=tuple(sorted(dropped)))
    kept = [entry for entry, each in zip(former["images"], after, strict=True) if each is not None]
    assert [entry["file_name"] for entry in result["images"][: len(kept)]] == [entry["file_name"] for entry in kept], "order"
    if len(kept) == len(labels):
        assert result["images"][: len(kept)] == kept, "no image changes if none goes"
    if after == labels and not added and not dropped:
        assert result == former
