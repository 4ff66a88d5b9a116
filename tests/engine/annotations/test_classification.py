"""Annotation files as the engine reads them: merged by name and URL, and refused with file, entry and id."""

import json
from io import BytesIO
from typing import Any

import pytest

from vision_customization.contract.enums import Purpose
from vision_customization.engine.annotations import AnnotationError, read_classification


def coco(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    document = {
        "images": [
            {"id": number, "file_name": f"{number}.png", "absolute_url": f"https://h/c/{number}.png"} for number in range(1, 5)
        ],
        "annotations": [{"id": number, "image_id": number, "category_id": 1 + number % 2} for number in range(1, 5)],
        "categories": [{"id": 1, "name": "red"}, {"id": 2, "name": "green"}],
    }
    return {**document, **changes}


def read(*documents: object, purpose: Purpose = Purpose.TRAINING) -> Any:  # noqa: ANN401
    files = [(f"{index}.json", BytesIO(json.dumps(document).encode())) for index, document in enumerate(documents)]
    return read_classification(files, purpose)


def test_tags_are_sorted_and_images_keep_their_place() -> None:
    annotations = read(coco())
    assert annotations.tags == ("green", "red")
    assert [(image.url, image.tag) for image in annotations.images][:2] == [("https://h/c/1.png", 0), ("https://h/c/2.png", 1)]
    assert annotations.images[2].place == "0.json: images[2] (id 3)"


def test_files_are_merged_by_the_tags_names_and_an_image_in_two_of_them_is_one() -> None:
    other = coco(
        categories=[{"id": 2, "name": "red"}, {"id": 1, "name": "green"}],
        annotations=[
            {"id": 1, "image_id": 2, "category_id": 2},
            {"id": 2, "image_id": 1, "category_id": 1},
        ],
    )
    assert read(coco(), other) == read(coco())


@pytest.mark.parametrize(
    ("changes", "images"),
    [
        ({"images": [{**image, "id": image["id"] * 7, "coco_url": "AmlDatastore://x"} for image in coco()["images"]],
          "annotations": [{"image_id": number * 7, "category_id": 1 + number % 2} for number in range(1, 5)]}, 4),
        ({"annotations": [*coco()["annotations"], {"id": 9, "image_id": 1, "category_id": 2}]}, 4),
        ({"images": [*coco()["images"], {"id": 5, "coco_url": "https://h/c/untagged.png"}]}, 4),
        ({"categories": [*coco()["categories"], {"id": 3, "name": "unused"}], "info": {}}, 4),
    ],
    ids=["ids with gaps, and none", "a tag said twice", "an image without a tag", "a tag without an image"],
)  # fmt: skip
def test_what_is_taken(changes: dict[str, Any], images: int) -> None:
    annotations = read(coco(**changes))
    assert (len(annotations.images), annotations.tags) == (images, ("green", "red"))


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ([], "0.json: must be an object"),
        (coco(images=None), "0.json: images: must be a list"),
        ({"images": [], "categories": []}, "0.json: annotations: is missing"),
        (coco(images=[7]), "0.json: images[0]: must be an object"),
        (coco(images=[{"id": "1"}]), "0.json: images[0]: id is '1', must be an integer"),
        (coco(images=[*coco()["images"], coco()["images"][0]]), "0.json: images[4] (id 1): id is already that of images[0]"),
        (coco(images=[{"id": 1}]), "0.json: images[0] (id 1): absolute_url is missing"),
        (
            coco(images=[{**coco()["images"][0], "width": 9}]),
            "0.json: images[0] (id 1): width is 9 px, each side must be 10 to 10,240",
        ),
        (coco(categories=[{"id": 1, "name": ""}]), "0.json: categories[0] (id 1): name is missing"),
        (coco(annotations=[{"id": 3, "image_id": 9, "category_id": 1}]), "annotations[0] (id 3): image_id 9 is not an image"),
        (coco(annotations=[{"id": 3, "image_id": 1, "category_id": 9}]), "annotations[0] (id 3): category_id 9 is not a"),
        (coco(annotations=[{"id": 3, "image_id": [1], "category_id": 1}]), "annotations[0] (id 3): image_id [1] is not an"),
        (coco(annotations=[{"id": 3, "image_id": 1, "category_id": {}}]), "annotations[0] (id 3): category_id {} is not"),
        (coco(images=[{"id": 10**99}]), "0.json: images[0]: id is 1000"),
        (
            coco(annotations=[*coco()["annotations"], {"id": 5, "image_id": 1, "category_id": 1}]),
            "annotations[4] (id 5): image 1 has the tags 'green' and 'red': only one tag per image is allowed",
        ),
        (coco(annotations=coco()["annotations"][:3]), "the dataset: has 1 image of tag 'red', training needs at least 2"),
        (coco(annotations=[]), "the dataset: has no image with a tag; training needs at least one"),
    ],
)  # fmt: skip
def test_what_is_refused(document: object, says: str) -> None:
    with pytest.raises(AnnotationError) as refused:
        read(document)
    assert says in str(refused.value)


LONG = "x" * 100_000


@pytest.mark.parametrize(
    "changes",
    [
        {"images": [{"id": LONG}] * 9},
        {"annotations": [{"id": 1, "image_id": LONG}, {"id": 2, "image_id": 1, "category_id": [LONG]}]},
        {"images": [{"id": 10**4200, "absolute_url": "https://h/c/1.png"}]},
        {"images": [{"id": 1, "absolute_url": "https://h/c/1.png", "width": 10**4200}]},
        {
            "categories": [{"id": 1, "name": LONG}, {"id": 2, "name": LONG + "y"}],
            "annotations": [{"image_id": 1, "category_id": 1}, {"image_id": 1, "category_id": 2}],
        },
        {"categories": [{"id": 1, "name": LONG}, {"id": 2, "name": "y"}], "annotations": coco()["annotations"][:1]},
    ],
)
def test_what_is_told_is_short_however_long_the_values_are(changes: dict[str, Any]) -> None:
    with pytest.raises(AnnotationError) as refused:
        read(coco(**changes))
    assert len(str(refused.value)) < 1500


def test_of_many_violations_the_first_are_told() -> None:
    with pytest.raises(AnnotationError, match=r"images\[4\].*; and 7 more"):
        read(coco(images=[{"id": number} for number in range(12)], annotations=[]))


def test_a_test_dataset_may_have_one_image_of_one_tag() -> None:
    assert read(coco(annotations=coco()["annotations"][:1]), purpose=Purpose.EVALUATION).tags == ("green",)
