"""Splitting into training and testing."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from vision_customization.contract.coco.document import Box
from vision_customization.contract.enums import AnnotationKind
from vision_customization.customization.convert import (
    FormerPart,
    FormerParts,
    LabelledImage,
    LabelledImages,
    split,
    split_as_given,
)

BOX: Box = (0.0, 0.0, 1.0, 1.0)


def images(tags: dict[str, int]) -> LabelledImages:
    made = [
        LabelledImage(Path(f"{tag}{index}.jpg"), f"{tag}-{index}", 9, 9, ((tag, None),) if tag else ())
        for tag, count in tags.items()
        for index in range(count)
    ]
    return LabelledImages(AnnotationKind.IMAGE_CLASSIFICATION, tuple(tags), tuple(made))


def counts(part: LabelledImages) -> dict[str, int]:
    return dict(Counter(tag for image in part.images for tag, _ in image.labels))


@pytest.mark.parametrize(
    ("tags", "share", "expected"),
    [
        ({"a": 10, "b": 20}, 0.2, {"a": 2, "b": 4}),
        ({"a": 3, "b": 4}, 0.1, {"a": 1, "b": 1}),
        ({"a": 2, "b": 3}, 0.5, {"b": 1}),
        ({"a": 10, "b": 10}, 0.0, {}),
        ({"a": 5, "b": 5}, 0.99, {"a": 3, "b": 3}),
    ],
)
def test_each_tag_is_parted_by_the_share(tags: dict[str, int], share: float, expected: dict[str, int]) -> None:
    training, testing = split(images(tags), share)
    assert counts(testing) == expected
    assert len(training.images) + len(testing.images) == sum(tags.values())


def test_the_order_and_names_of_files_do_not_matter() -> None:
    whole = images({"a": 30, "b": 30})
    other = LabelledImages(
        whole.kind,
        whole.tags,
        tuple(
            LabelledImage(Path(f"x/{i}"), image.sha256, 9, 9, image.labels) for i, image in enumerate(reversed(whole.images))
        ),
    )
    one, two = ({image.sha256 for image in split(given, 0.3)[1].images} for given in (whole, other))
    assert one == two
    assert one != {image.sha256 for image in split(whole, 0.3, seed=1)[1].images}


def former_of(*parts: LabelledImages) -> FormerParts:
    """Known by their paths, as from files without digests."""
    return FormerParts(*(FormerPart(frozenset(image.path.resolve() for image in part.images)) for part in parts))


def test_new_images_displace_none_of_the_former_parts() -> None:
    parts = split(images({"a": 20, "b": 20}), 0.2)
    training, testing = split(images({"a": 40, "b": 25}), 0.2, former=former_of(*parts))
    assert set(parts[0].images) <= set(training.images)
    assert set(parts[1].images) <= set(testing.images)
    assert counts(testing) == {"a": 8, "b": 5}


def test_renamed_images_stay_where_they_were_and_so_do_edited_ones() -> None:
    whole = images({"a": 20})
    parts = split(whole, 0.2)
    former = FormerParts(
        *(
            FormerPart(frozenset(image.path.resolve() for image in part.images), frozenset(i.sha256 for i in part.images))
            for part in parts
        )
    )
    trained, tested = ({image.sha256 for image in part.images} for part in parts)
    # Each file has the name that another one had.
    names = [image.path for image in whole.images]
    renamed = replace(whole, images=tuple(replace(image, path=names[index - 1]) for index, image in enumerate(whole.images)))
    assert former.sides(renamed) == (trained, tested)
    edited = replace(whole, images=tuple(replace(image, sha256=f"{image.sha256} edited") for image in whole.images))
    assert former.sides(edited) == tuple({f"{sha256} edited" for sha256 in side} for side in (trained, tested))
    both = FormerParts(former.training, former.training)
    assert both.sides(whole) == (trained, set())


@pytest.mark.parametrize(
    ("train", "test", "expected"),
    [
        ("a.jpg", "b.jpg", ("a.jpg", "b.jpg")),
        (None, "b.jpg", (None, "b.jpg")),
        (7, "b.jpg", (None, "b.jpg")),
        ("a.jpg", None, (None, None)),  # nothing was split
        ("a.jpg", 7, (None, None)),
    ],
)
def test_former_parts_are_read_each_on_its_own(
    train: str | int | None, test: str | int | None, expected: tuple[str | None, str | None], tmp_path: Path
) -> None:
    for name, listed in (("train.json", train), ("test.json", test)):
        if listed is not None:
            entries = [{"file_name": listed, "sha256": f"of {listed}"}] if isinstance(listed, str) else listed
            (tmp_path / name).write_text(json.dumps({"images": entries}))
    assert FormerParts.read(tmp_path) == FormerParts(
        *(
            FormerPart() if name is None else FormerPart(frozenset({(tmp_path / name).resolve()}), frozenset({f"of {name}"}))
            for name in expected
        )
    )


def test_equal_images_stay_together() -> None:
    single = images({"a": 10, "b": 10})
    copies = LabelledImages(single.kind, single.tags, single.images * 3)
    training, testing = split(copies, 0.3)
    assert not {image.sha256 for image in training.images} & {image.sha256 for image in testing.images}
    assert counts(testing) == {"a": 9, "b": 9}


def test_images_without_a_tag_are_parted_too() -> None:
    testing = split(images({"a": 10, "": 10}), 0.2)[1]
    assert len(testing.images) == 4


def test_images_of_several_tags_are_parted_by_the_rarest() -> None:
    made = [
        LabelledImage(Path(f"{i}.jpg"), str(i), 9, 9, (("common", BOX), *((("rare", BOX),) if i < 10 else ())))
        for i in range(100)
    ]
    testing = split(LabelledImages(AnnotationKind.IMAGE_OBJECT_DETECTION, ("common", "rare"), tuple(made)), 0.2)[1]
    assert counts(testing) == {"common": 20, "rare": 2}


def group(tag: str, *numbers: int) -> list[str]:
    return [f"{tag}-{number}" for number in numbers]


@pytest.mark.parametrize(
    ("tags", "share", "alike", "expected"),
    [
        # as close as whole groups allow, or exact where single images are left to fill up
        ({"a": 10}, 0.2, [group("a", *range(5)), group("a", *range(5, 10))], {"a": 5}),
        ({"a": 10}, 0.2, [group("a", *range(4))], {"a": 2}),
        ({"a": 12}, 0.25, [group("a", *range(start, start + 4)) for start in (0, 4, 8)], {"a": 4}),
        ({"a": 9}, 0.5, [group("a", *range(start, start + 3)) for start in (0, 3, 6)], {"a": 3}),
        # no test image, if two would not remain for training
        ({"a": 4, "b": 10}, 0.2, [group("a", *range(4))], {"b": 2}),
        ({"a": 5, "b": 10}, 0.2, [group("a", *range(4))], {"a": 1, "b": 2}),
        # a group of two tags counts for both
        ({"a": 10, "b": 10}, 0.2, [[*group("a", 0, 1), *group("b", 0, 1)]], {"a": 2, "b": 2}),
    ],
)
def test_near_duplicates_stay_together(
    tags: dict[str, int], share: float, alike: list[list[str]], expected: dict[str, int]
) -> None:
    for seed in range(5):
        training, testing = split(images(tags), share, seed, alike=alike)
        assert counts(testing) == expected
        assert len(training.images) + len(testing.images) == sum(tags.values())
        for members in alike:
            sides = [{image.sha256 for image in part.images}.isdisjoint(members) for part in (training, testing)]
            assert any(sides)


def test_the_report_says_what_stays_together_and_which_tag_is_not_tested() -> None:
    alike = [group("a", *range(4)), group("b", 1, 0)]
    training, testing = split(images({"a": 4, "b": 10}), 0.2, alike=alike)
    assert training.remarks == testing.remarks
    together, untested = training.remarks
    assert (together.effect, together.what) == ("note", "image")
    assert together.reason == "in 2 groups of near-duplicates stay together"
    assert together.places == (
        *(f"a{number}.jpg (group 1)" for number in range(4)),
        *(f"b{number}.jpg (group 2)" for number in range(2)),
    )
    assert (untested.effect, untested.what, untested.places) == ("warning", "tag", ("'a'",))


def test_a_tag_of_too_few_images_to_test_is_named() -> None:
    training, _ = split(images({"a": 2, "b": 10, "c": 1}), 0.2)
    [remark] = training.remarks
    assert (remark.effect, remark.places) == ("warning", ("'a'", "'c'"))
    assert not split(images({"a": 2}), 0.0)[0].remarks


def test_near_duplicates_that_an_earlier_split_parted_are_split_again() -> None:
    whole = images({"a": 20})
    former = former_of(*(replace(whole, images=part) for part in (whole.images[:16], whole.images[16:])))
    training, testing = split(whole, 0.2, former=former, alike=[group("a", 0, 16), group("a", 17, 18)])
    assert {f"a-{number}" for number in (*range(1, 16),)} <= {image.sha256 for image in training.images}
    assert {f"a-{number}" for number in (17, 18, 19)} <= {image.sha256 for image in testing.images}
    [again] = [remark for remark in training.remarks if remark.effect == "changed"]
    assert again.places == ("a0.jpg", "a16.jpg")


def test_near_duplicates_across_the_split_of_a_source_are_reported() -> None:
    whole = images({"a": 6})
    given = replace(whole, images=tuple(replace(image, testing=number > 3) for number, image in enumerate(whole.images)))
    training, testing = split_as_given(given, [group("a", 0, 4), group("a", 1, 2)])
    assert (len(training.images), len(testing.images)) == (4, 2)
    [remark] = training.remarks
    assert (remark.effect, remark.places) == ("warning", ("a4.jpg (like a0.jpg)",))
