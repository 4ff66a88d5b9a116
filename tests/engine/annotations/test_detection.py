"""Boxes as the engine reads them: merged by tag name and URL, cut at the edge, and refused with file, entry and id."""

import json
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.places import LABELLED_DATA
from vision_customization.contract.enums import Purpose
from vision_customization.engine.annotations import AnnotationError, Box, BoxedAnnotations, read_detection

BBOX = [0.1, 0.2, 0.3, 0.4]


def coco(*boxes: tuple[int, int, object], **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Three images, of tags spoon and fork; `boxes` are image, category and bbox."""
    document = {
        "images": [
            {"id": number, "file_name": f"{number}.png", "absolute_url": f"https://h/c/{number}.png"} for number in range(1, 4)
        ],
        "annotations": [
            {"id": number, "image_id": image, "category_id": category, "bbox": bbox}
            for number, (image, category, bbox) in enumerate(boxes, start=1)
        ],
        "categories": [{"id": 1, "name": "spoon"}, {"id": 2, "name": "fork"}],
    }
    return {**document, **changes}


def read(*documents: object, purpose: Purpose = Purpose.TRAINING) -> BoxedAnnotations:
    files = [(f"{index}.json", BytesIO(json.dumps(document).encode())) for index, document in enumerate(documents)]
    return read_detection(files, purpose)


def boxes_of(*documents: object) -> list[list[tuple[float, ...]]]:
    """Of each image: tag's position, left, top, width, height of each box."""
    return [[(box.label, box.left, box.top, box.width, box.height) for box in image.boxes] for image in read(*documents).images]


def test_boxes_get_their_tag_and_images_without_objects_are_kept() -> None:
    annotations = read(coco((1, 1, BBOX), (1, 2, [0, 0, 1, 1]), (3, 1, [0.5, 0.5, 0.5, 0.5])))
    assert annotations.tags == ("fork", "spoon")
    assert [image.url for image in annotations.images] == [f"https://h/c/{number}.png" for number in (1, 2, 3)]
    assert annotations.images[0].boxes == (Box(0, 0.0, 0.0, 1.0, 1.0), Box(1, 0.1, 0.2, 0.3, 0.4))
    assert annotations.images[1].boxes == ()
    assert annotations.images[2].place == "0.json: images[2] (id 3)"


def test_files_are_merged_by_the_tags_names_and_the_images_urls() -> None:
    categories = [{"id": 7, "name": "fork"}, {"id": 8, "name": "spoon"}, {"id": 9, "name": "unused"}]
    first, second = coco((1, 1, BBOX)), coco((1, 7, [0, 0, 1, 1]), (3, 8, [0.5, 0.5, 0.5, 0.5]), categories=categories)
    together = coco((3, 1, [0.5, 0.5, 0.5, 0.5]), (1, 2, [0, 0, 1, 1]), (1, 1, BBOX))
    assert read(first, second) == read(together)
    assert boxes_of(second, first) == boxes_of(together)


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        ([(1, 1, BBOX), (1, 1, BBOX)], [(0, *BBOX)]),
        ([(1, 1, BBOX), (1, 2, BBOX)], [(0, *BBOX), (1, *BBOX)]),
        ([(1, 1, BBOX), (1, 1, [0.1, 0.2, 0.3, 0.41])], [(0, *BBOX), (0, 0.1, 0.2, 0.3, 0.41)]),
        ([(1, 1, [-0.0001, 0, 0.5, 1.0001])], [(0, 0, 0, 0.4999, 1)]),
        ([(1, 1, [0.75, 0.5, 0.25005, 0.5])], [(0, 0.75, 0.5, 0.25, 0.5)]),
        ([(1, 1, [0.5, 0.5, 1e-6, 1e-6])], [(0, 0.5, 0.5, 1e-6, 1e-6)]),
    ],
    ids=["said twice", "two tags", "almost the same", "a hair out at three edges", "a hair out at the right", "tiny"],
)
def test_what_counts_as_a_box(boxes: list[tuple[int, int, object]], expected: list[tuple[float, ...]]) -> None:
    found = boxes_of(coco(*boxes))[0]
    assert len(found) == len(expected)
    for box, wanted in zip(found, expected, strict=True):
        assert box == pytest.approx(wanted, abs=1e-12)


def test_the_same_box_in_two_files_counts_once() -> None:
    assert read(coco((1, 1, BBOX)), coco((1, 1, BBOX))) == read(coco((1, 1, BBOX)))


def test_a_crowd_is_no_object() -> None:
    document = coco((1, 1, BBOX), (2, 2, [0, 0, 300, 200]))
    document["annotations"][1] |= {"iscrowd": 1, "segmentation": {"counts": [1, 2], "size": [3, 4]}}
    assert (read(document).tags, boxes_of(document)) == (("spoon",), [[(0, *BBOX)], [], []])


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ([], "0.json: must be an object"),
        (coco((1, 1, BBOX), images=[{"id": 1}]), "0.json: images[0] (id 1): absolute_url is missing"),
        (coco((9, 1, BBOX)), "0.json: annotations[0] (id 1): image_id 9 is not an image"),
        (coco((1, 1, BBOX), (2, 1, None)), "0.json: annotations[1] (id 2): bbox is missing"),
        (coco((1, 1, [1, 2, 3])), "0.json: annotations[0] (id 1): bbox [1, 2, 3]: must be four numbers"),
        (
            coco((1, 1, [12, 20, 30, 40])),
            "annotations[0] (id 1): bbox [12, 20, 30, 40]: these look like pixels, but must be fractions 0 to 1 of the image's",
        ),
        (coco((1, 1, [1, 0, 2, 1])), "these look like pixels"),
        (coco((1, 1, [0, 0, 10**400, 1])), "these look like pixels"),
        (coco((1, 1, [-(10**400), 0, 1, 1])), "left is -1000"),
        (coco((1, 1, [0.5, 0.5, 0, 0.5])), "width is 0, must be more than 0"),
        (coco((1, 1, [0.5, 0.5, 0.5, -0.2])), "height is -0.2, must be more than 0"),
        (coco((1, 1, [0.5, 0, 0.5002, 1])), "left + width is 1.0002, must be at most 1"),
        (coco((1, 1, [-0.0002, 0, 0.5, 1])), "left is -0.0002, must be at least 0"),
        (coco((1, 1, [1.00005, 0, 0.00001, 1])), "left is 1.00005, must be at least 0 and less than 1"),
        (coco((1, 1, [float("nan"), 0, 0.5, 1])), "left is nan"),
        (
            coco((1, 1, None), (2, 2, None)),
            (
                "0.json: annotations: none of the 2 annotations has a bbox, so these are labels for classification. Set the "
                "dataset"
            ),
        ),
        (coco(), "the dataset: has no object with a bbox; training needs at least one"),
    ],
)
def test_what_is_refused(document: object, says: str) -> None:
    with pytest.raises(AnnotationError) as refused:
        read(document)
    assert says in str(refused.value)
    assert len(str(refused.value)) < 1500


def test_labels_for_classification_are_one_fault_a_file_not_one_an_image() -> None:
    with pytest.raises(AnnotationError) as refused:
        read(coco((1, 1, BBOX)), coco((1, 1, None), (2, 1, None)))
    assert str(refused.value).startswith("1.json: annotations: none of the 2 annotations has a bbox")
    assert ";" not in str(refused.value)


def test_a_thousand_boxes_are_taken_and_one_more_is_refused_with_the_image() -> None:
    many = [(2, 1, [index / 2000, 0, 0.5, 1]) for index in range(1000)]
    assert len(read(coco(*many, many[0])).images[1].boxes) == 1000
    with pytest.raises(AnnotationError) as refused:
        read(coco(*many), coco((2, 1, BBOX)))
    assert str(refused.value) == "0.json: images[1] (id 2): has 1,001 boxes, but at most 1,000 are allowed"


def test_a_test_dataset_may_have_one_object_of_one_tag() -> None:
    assert read(coco((1, 1, BBOX)), purpose=Purpose.EVALUATION).tags == ("spoon",)
    with pytest.raises(AnnotationError, match="evaluation needs at least one"):
        read(coco(), purpose=Purpose.EVALUATION)


fractions = st.floats(-0.0002, 1.0002) | st.sampled_from([0, 1, 0.5, 1e-5, -1e-4, 1.0001])


@given(st.lists(fractions, min_size=4, max_size=4))
def test_what_is_read_lies_in_the_image(bbox: list[float]) -> None:
    try:
        annotations = read(coco((1, 1, bbox)))
    except AnnotationError:
        return
    [box] = annotations.images[0].boxes
    assert 0 <= box.left < 1
    assert 0 <= box.top < 1
    assert 0 < box.width <= 1
    assert 0 < box.height <= 1
    assert box.left + box.width <= 1
    assert box.top + box.height <= 1


@pytest.mark.data
@pytest.mark.skipif(not LABELLED_DATA.is_dir(), reason="../shared/data is not here")
@pytest.mark.parametrize(
    ("name", "tags", "images", "boxes"),
    [("fork-scissors", ("fork", "scissors"), 28, 28), ("bccd", ("Platelets", "RBC", "WBC"), 205, 2804)],
)
def test_real_datasets(name: str, tags: tuple[str, ...], images: int, boxes: int) -> None:
    document = json.loads((LABELLED_DATA / name / "train.json").read_text())
    for image in document["images"]:
        image["absolute_url"] = f"https://h/c/{image['file_name']}"
    annotations = read(document)
    assert annotations.tags == tags
    assert len(annotations.images) == images
    assert sum(len(image.boxes) for image in annotations.images) == boxes
