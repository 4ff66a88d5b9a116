"""What the labels of a project become, by its kind, and what is said of those that become nothing."""

from pathlib import Path
from typing import Any

import pytest

from tests.customization.samples import encoded
from vision_customization.contract.enums import AnnotationKind
from vision_customization.customization.customvision.labels import ProjectContent, ProjectTag, labelled_images
from vision_customization.customization.customvision.wire import Image
from vision_customization.customization.errors import ConversionFailed

TAGS = {"1": ProjectTag("cat"), "2": ProjectTag("dog"), "9": ProjectTag("None of them", negative=True)}
CLASSIFICATION, DETECTION = "imageClassification", "imageObjectDetection"
WHOLE = (0.0, 0.0, 1.0, 1.0)


def image(id_: str, *tags: str, regions: list[tuple[str, tuple[float, ...]]] | None = None, **changes: Any) -> Image:  # noqa: ANN401
    sides = ("left", "top", "width", "height")
    return Image.model_validate(
        {
            "id": id_,
            "width": 64,
            "height": 48,
            "tags": [{"tagId": tag, "tagName": TAGS[tag].name} for tag in tags] or None,
            "regions": [{"tagId": tag, **dict(zip(sides, box, strict=True))} for tag, box in regions or ()] or None,
            **changes,
        }
    )


def read(
    folder: Path, kind: str, one: Image, data: bytes | None = None
) -> tuple[Any, set[tuple[str, str, str, tuple[str, ...]]]]:
    """The labels of an image, None if it is left out, and the remarks on it. A second image is fine."""
    folder.joinpath("one.png").write_bytes(data or encoded(1))
    folder.joinpath("fine.png").write_bytes(encoded(2))
    fine = image("fine", "1", regions=[("1", WHOLE)] if kind == DETECTION else None)
    content = ProjectContent("p", kind, (one, fine), TAGS)
    labelled = labelled_images(content, {id_: folder / f"{id_}.png" for id_ in ("one", "fine")}, {})
    labels = {known.path.stem: known.labels for known in labelled.images}
    remarks = {(str(one.effect), str(one.what), one.reason, one.places) for one in labelled.remarks if one.what != "tag"}
    return labels.get("one"), remarks


@pytest.mark.parametrize(
    ("kind", "one", "labels", "remarks"),
    [
        (CLASSIFICATION, image("one", "2"), (("dog", None),), set()),
        (CLASSIFICATION, image("one", "9"), (("None of them", None),), set()),
        (AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION, image("one", "1", "2"), (("cat", None), ("dog", None)), set()),
        (
            AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION,
            image("one", "9"),
            (),
            {("changed", "image", "the negative tag becomes an image that has none of the tags", ("one",))},
        ),
        (
            AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION,
            image("one", "9", "1"),
            (("cat", None),),
            {("leftOut", "label", "the negative tag, on an image that has other tags", ("one: None of them",))},
        ),
        (
            DETECTION,
            image("one", "1", regions=[("1", (0.1, 0.2, 0.3, 0.4)), ("2", WHOLE)]),
            (("cat", (0.1, 0.2, 0.3, 0.4)), ("dog", WHOLE)),
            set(),
        ),
        (
            DETECTION,
            image("one", "9"),
            (),
            {("changed", "image", "the negative tag becomes an image without objects", ("one",))},
        ),
        # Rounding moves a box by less than two pixels: not worth a word.
        (DETECTION, image("one", "1", regions=[("1", (-0.01, 0.0, 0.51, 1.0))]), (("cat", (0.0, 0.0, 0.5, 1.0)),), set()),
        (
            DETECTION,
            image("one", "1", regions=[("1", (0.75, 0.5, 0.5, 0.25))]),
            (("cat", (0.75, 0.5, 0.25, 0.25)),),
            {("changed", "label", "its region reaches out of its image: clipped", ("one: cat",))},
        ),
        (
            DETECTION,
            image("one", "1", "2", regions=[("1", WHOLE), ("1", (0.5, 0.5, 0.0, 0.1))]),
            (("cat", WHOLE),),
            {
                ("leftOut", "label", "its region is empty, or outside of its image", ("one: cat",)),
                ("leftOut", "label", "a tag of an image that has regions, but none of this tag", ("one: dog",)),
            },
        ),
    ],
)
def test_labels(tmp_path: Path, kind: str, one: Image, labels: Any, remarks: set[Any]) -> None:  # noqa: ANN401
    assert read(tmp_path, kind, one) == (labels, remarks)


@pytest.mark.parametrize(
    ("kind", "one", "data", "reason", "lost"),
    [
        (CLASSIFICATION, image("one", "1", "2"), None, "it has several tags, in a project for one tag per image", 2),
        (CLASSIFICATION, image("one"), None, "it has no tag", 0),
        (DETECTION, image("one", "1"), None, "it has a tag, but no region", 1),
        (DETECTION, image("one", regions=[("1", (1.5, 0, 0.5, 0.5))]), None, "none of its regions is in the image", 1),
        (
            DETECTION,
            image("one", regions=[("1", WHOLE)]),
            encoded(1, (48, 64)),
            "its regions belong to another size or orientation than its file has",
            1,
        ),
        (CLASSIFICATION, image("one", "1"), b"text", "its file is not an image of a supported type", 1),
    ],
)
def test_images_that_are_left_out(tmp_path: Path, kind: str, one: Image, data: bytes | None, reason: str, lost: int) -> None:
    labels, remarks = read(tmp_path, kind, one, data)
    assert labels is None
    (told,) = [remark for remark in remarks if remark[1] == "image"]
    assert told[0] == "leftOut"
    assert told[2].startswith(reason)
    assert told[3] == ("one",)
    assert sum(len(remark[3]) for remark in remarks if remark[1] == "label") == lost


def test_tags_are_told_that_no_image_has_and_the_negative_one_that_is_a_tag(tmp_path: Path) -> None:
    files = {id_: tmp_path / f"{id_}.png" for id_ in ("one", "two")}
    for number, file in enumerate(files.values()):
        file.write_bytes(encoded(number))
    content = ProjectContent("p", CLASSIFICATION, (image("one", "1"), image("two", "9")), TAGS)
    labelled = labelled_images(content, files, {})
    assert labelled.tags == ("cat", "None of them")
    assert [(str(remark.effect), remark.reason, remark.places) for remark in labelled.remarks] == [
        ("leftOut", "has no label", ("dog",)),
        ("changed", "the negative tag becomes a tag like the others: models answer with it", ("None of them",)),
    ]


def test_a_project_of_which_nothing_is_left_is_refused_with_the_reasons(tmp_path: Path) -> None:
    content = ProjectContent("p", CLASSIFICATION, (image("one", "1"),), TAGS, untagged=("a", "b"))
    with pytest.raises(ConversionFailed) as error:
        labelled_images(content, {}, {"one": "the storage answered 404"})
    assert "2 left out: untagged" in str(error.value)
    assert "1 left out: cannot be loaded: the storage answered 404" in str(error.value)
