"""Splitting into training and testing."""

from collections import Counter
from pathlib import Path

import pytest

from vision_customization.contract.coco.document import Box
from vision_customization.contract.enums import AnnotationKind
from vision_customization.customization.convert import FormerParts, LabelledImage, LabelledImages, split

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


def test_new_images_displace_none_of_the_former_parts() -> None:
    parts = split(images({"a": 20, "b": 20}), 0.2)
    former = FormerParts(*(frozenset(image.path.resolve() for image in part.images) for part in parts))
    training, testing = split(images({"a": 40, "b": 25}), 0.2, former=former)
    assert set(parts[0].images) <= set(training.images)
    assert set(parts[1].images) <= set(testing.images)
    assert counts(testing) == {"a": 8, "b": 5}


def test_former_parts_are_read_from_the_files_or_are_none(tmp_path: Path) -> None:
    (tmp_path / "train.json").write_text('{"images": [{"file_name": "a.jpg"}]}')
    assert FormerParts.read(tmp_path) == FormerParts()
    (tmp_path / "test.json").write_text('{"images": [{"file_name": "b.jpg"}]}')
    former = FormerParts.read(tmp_path)
    assert former == FormerParts(frozenset({(tmp_path / "a.jpg").resolve()}), frozenset({(tmp_path / "b.jpg").resolve()}))
    (tmp_path / "test.json").write_text('{"images": 7}')
    assert FormerParts.read(tmp_path) == FormerParts()


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
