import json
from io import BytesIO
from typing import Any

import pytest

from vision_customization.contract.enums import Purpose
from vision_customization.engine.annotations import AnnotationError, read_multi_label

TAGS = ("cup", "fork", "knife")


def coco(tags_of: list[list[str]], *, first: int = 1, **annotation: object) -> dict[str, Any]:
    """Images with these tags, each an annotation; `annotation` are further keys of each."""
    pairs = [(image, tag) for image, tags in enumerate(tags_of, first) for tag in tags]
    return {
        "images": [
            {"id": image, "width": 60, "height": 60, "absolute_url": f"https://h/c/{image}.png"}
            for image in range(first, first + len(tags_of))
        ],
        "annotations": [
            {"id": id_, "image_id": image, "category_id": TAGS.index(tag), **annotation}
            for id_, (image, tag) in enumerate(pairs, 1)
        ],
        "categories": [{"id": index, "name": tag} for index, tag in enumerate(TAGS)],
    }


def read(*documents: object, purpose: Purpose = Purpose.TRAINING) -> tuple[tuple[str, ...], dict[str, list[str]]]:
    """The tags, and those of each image by the last part of its URL."""
    files = [(f"{index}.json", BytesIO(json.dumps(document).encode())) for index, document in enumerate(documents)]
    found = read_multi_label(files, purpose)
    return found.tags, {image.url.rpartition("/")[2]: [found.tags[tag] for tag in image.tags] for image in found.images}


FOUR = [["knife", "fork"], ["fork"], ["knife"], []]
FOUND = {"1.png": ["fork", "knife"], "2.png": ["fork"], "3.png": ["knife"], "4.png": []}


@pytest.mark.parametrize(
    "documents",
    [
        [coco(FOUR)],
        [coco(FOUR, bbox=[0, 0, 0.5, 0.5])],  # boxes do not matter
        [coco([["knife", "fork", "fork"], *FOUR[1:]])],
        [coco(FOUR[:1]), coco([["fork"], ["knife"], []], first=2)],
        [coco(FOUR), coco([["fork"]])],  # the same image in two files has the tags of both
    ],
)
def test_an_image_has_all_of_its_tags_and_stays_without_any(documents: list[object]) -> None:
    assert read(*documents) == (("fork", "knife"), FOUND)


def test_a_test_dataset_may_show_a_tag_everywhere() -> None:
    assert read(coco([["fork"], ["fork"]]), purpose=Purpose.EVALUATION)[0] == ("fork",)


@pytest.mark.parametrize(
    ("tags_of", "said"),
    [
        ([[], []], "the dataset: has no image with a tag; training needs at least one"),
        ([["fork"], ["fork"], ["knife"], []], "the dataset: has 1 image of tag 'knife', training needs at least 2"),
        (
            [["fork"], ["fork"], ["fork"], []],
            "the dataset: has 1 images without the tag 'fork', training needs at least 2: a model can't tell when it is absent",
        ),
    ],
)
def test_what_is_refused(tags_of: list[list[str]], said: str) -> None:
    with pytest.raises(AnnotationError) as refused:
        read(coco(tags_of))
    assert str(refused.value) == said
