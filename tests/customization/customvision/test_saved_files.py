"""Answers of the training API that were kept as files."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.customization.samples import encoded
from vision_customization.contract.enums import AnnotationKind
from vision_customization.customization.customvision.saved_files import find_files, read_saved, unlisted
from vision_customization.customization.errors import ConversionFailed

MULTI_LABEL = AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION

CAT = {"tagId": "1", "tagName": "cat", "created": "2026-01-01T00:00:00Z"}
DOG = {"tagId": "2", "tagName": "dog"}
NEGATIVE = {"tagId": "3", "tagName": "Negative"}
TAGS = [{"id": "1", "name": "cat", "type": "Regular"}, {"id": "2", "name": "dog"}]
REGION = {"regionId": "r", **CAT, "left": 0.1, "top": 0.1, "width": 0.5, "height": 0.5}
PROJECT = {"id": "p", "name": "pets", "settings": {"domainId": "d", "classificationType": "Multilabel"}}


def saved(folder: Path, *documents: Any) -> list[Path]:  # noqa: ANN401
    files = [folder / f"{number}.json" for number in range(len(documents))]
    for file, document in zip(files, documents, strict=True):
        file.write_text(json.dumps(document), "utf-8-sig")
    return files


@pytest.mark.parametrize(
    ("documents", "kind", "images", "untagged"),
    [
        ([[{"id": "a", "tags": [CAT]}], [{"id": "b", "tags": [DOG]}]], "imageClassification", ["a", "b"], ()),
        ([[{"id": "a", "tags": [CAT, DOG]}]], MULTI_LABEL, ["a"], ()),
        ([[{"id": "a", "tags": [CAT]}], PROJECT], MULTI_LABEL, ["a"], ()),
        ([[{"id": "a", "tags": [CAT], "regions": [REGION]}, {"id": "b", "tags": None}]], "imageObjectDetection", ["a"], ("b",)),
        (
            [{"project": PROJECT, "tags": TAGS, "images": [{"id": "a", "tags": [CAT]}]}],
            AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION,
            ["a"],
            (),
        ),
        # A page that was saved twice.
        ([[{"id": "a", "tags": [CAT]}], [{"id": "a", "tags": [CAT]}]], "imageClassification", ["a"], ()),
    ],
)
def test_what_is_read(tmp_path: Path, documents: list[Any], kind: str, images: list[str], untagged: tuple[str, ...]) -> None:
    content = read_saved(saved(tmp_path, *documents))
    assert (content.kind, [image.id for image in content.images], content.untagged) == (kind, images, untagged)


@pytest.mark.parametrize(
    ("tags", "negative"),
    [
        (None, True),
        ([{"id": "3", "name": "Negative", "type": "Regular"}], False),
        ([{"id": "3", "name": "x", "type": "Negative"}], True),
    ],
)
def test_the_negative_tag_is_known_by_its_type_or_else_by_its_name(tmp_path: Path, tags: Any, negative: bool) -> None:  # noqa: ANN401
    documents = [[{"id": "a", "tags": [CAT]}, {"id": "b", "tags": [NEGATIVE]}], *([tags] if tags else [])]
    assert read_saved(saved(tmp_path, *documents)).tags["3"].negative is negative


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ([], "no images. Expected what GetTaggedImages answers"),
        ("text", "0.json: is not an image, a tag or a project of Custom Vision"),
        ([{"id": "a", "tags": []}, 7], "0.json: [1]: is not an image, a tag or a project of Custom Vision"),
        ([{"id": "../a", "tags": [CAT]}], "0.json: [0]: id: String should match pattern"),
        ([{"id": "a", "regions": [{**REGION, "left": "x"}]}], "0.json: [0]: regions.0.left: Input should be a valid number"),
        ([{"id": "a", "regions": [{**REGION, "top": float("nan")}]}], "[0]: regions.0.top: Input should be a finite number"),
        ({"images": [{"tags": [CAT]}]}, "0.json: images[0]: id: Field required"),
    ],
)
def test_what_is_refused_with_its_place(tmp_path: Path, document: Any, expected: str) -> None:  # noqa: ANN401
    with pytest.raises(ConversionFailed) as error:
        read_saved(saved(tmp_path, document))
    assert expected in str(error.value)


def test_pages_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConversionFailed, match="the image a is in these files twice, with different labels"):
        read_saved(saved(tmp_path, [{"id": "a", "tags": [CAT]}], [{"id": "a", "tags": [DOG]}]))
    moved = REGION | {"left": 0.2}
    with pytest.raises(ConversionFailed, match="different labels"):
        read_saved(saved(tmp_path, [{"id": "a", "regions": [REGION]}], [{"id": "a", "regions": [moved]}]))


def test_every_file_of_the_folder_is_accounted_for(tmp_path: Path) -> None:
    content = read_saved(saved(tmp_path, [{"id": "a", "tags": [CAT]}, {"id": "b", "tags": []}]))
    for name in ("o-a.jpg", "b.png", "c.png"):
        (tmp_path / name).write_bytes(encoded(1))
    assert unlisted(content, tmp_path) == [tmp_path / "c.png"]
    (tmp_path / "o-a.png").write_bytes(encoded(1))
    with pytest.raises(ConversionFailed, match=r"o-a\.jpg: could be of the same image as o-a\.png"):
        find_files(content, tmp_path)


def test_files_of_two_projects_are_refused(tmp_path: Path) -> None:
    files = saved(tmp_path, [{"id": "a", "tags": [CAT]}], PROJECT, {**PROJECT, "id": "q", "name": "plants"})
    with pytest.raises(ConversionFailed, match="of several projects: 'pets', 'plants'"):
        read_saved(files)


def test_images_are_found_by_id_or_as_their_blobs_are_named(tmp_path: Path) -> None:
    content = read_saved(saved(tmp_path, [{"id": id_, "tags": [CAT]} for id_ in "abcd"]))
    for name in ("a.png", "o-a.png", "o-b.JPG", "i-b.jpg", "i-c.png"):
        (tmp_path / name).write_bytes(encoded())
    found = {id_: path.name for id_, path in find_files(content, tmp_path).items()}
    assert found == {"a": "a.png", "b": "o-b.JPG", "c": "i-c.png"}
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConversionFailed, match=r"has none of the 4 images. .* as a.jpg"):
        find_files(content, tmp_path / "empty")
