"""From detections to products with several tags, and to gaps."""

import pytest

from vision_customization.contract.analysis import BoundingBox, DetectedObject, Tag
from vision_customization.engine.jobs.names import recognition_job
from vision_customization.engine.objects.keys import image_key
from vision_customization.engine.products.recognition import merged, recognized

Box = tuple[int, int, int, int]
A, SHIFTED, HALF, ELSEWHERE = (0, 0, 100, 100), (10, 0, 100, 100), (50, 0, 100, 100), (500, 500, 40, 40)


def found(name: str, confidence: float, box: Box = A, id_: str = "7") -> DetectedObject:
    x, y, w, h = box
    return DetectedObject(id=id_, bounding_box=BoundingBox(x=x, y=y, w=w, h=h), tags=[Tag(name=name, confidence=confidence)])


def shown(products: list[DetectedObject]) -> list[tuple[Box, list[str]]]:
    boxes = [product.bounding_box for product in products]
    return [
        ((box.x, box.y, box.w, box.h), [tag.name for tag in product.tags]) for box, product in zip(boxes, products, strict=True)
    ]


@pytest.mark.parametrize(
    ("detections", "expected"),
    [
        ([], []),
        ([found("a", 0.9)], [(A, ["a"])]),
        # two tags at one place: the box of the more confident, whichever comes first
        ([found("b", 0.3, SHIFTED), found("a", 0.9)], [(A, ["a", "b"])]),
        # too little in common: IoU 1/3
        ([found("a", 0.9), found("b", 0.8, HALF)], [(A, ["a"]), (HALF, ["b"])]),
        # just enough: IoU 0.6, and just not
        ([found("a", 0.9), found("b", 0.8, (0, 0, 60, 100))], [(A, ["a", "b"])]),
        ([found("a", 0.9), found("b", 0.8, (0, 0, 59, 100))], [(A, ["a"]), ((0, 0, 59, 100), ["b"])]),
        # of the same tag: the detector has kept both, and knows why
        ([found("a", 0.9), found("a", 0.8, SHIFTED)], [(A, ["a"]), (SHIFTED, ["a"])]),
        # the one that it overlaps most
        ([found("a", 0.9), found("a", 0.8, SHIFTED), found("b", 0.7, SHIFTED)], [(A, ["a"]), (SHIFTED, ["a", "b"])]),
        # a product has a tag once: a second detection of it is another product
        ([found("a", 0.9), found("b", 0.8), found("b", 0.7, SHIFTED)], [(A, ["a", "b"]), (SHIFTED, ["b"])]),
        # the best five
        ([found(name, 0.9 - index / 10) for index, name in enumerate("abcdefg")], [(A, list("abcde"))]),
        # what overlaps only what was merged away stands for itself
        (
            [found("a", 0.9), found("b", 0.8, (20, 0, 100, 100)), found("c", 0.7, (40, 0, 100, 100))],
            [(A, ["a", "b"]), ((40, 0, 100, 100), ["c"])],
        ),
        # boxes without an area overlap nothing
        ([found("a", 0.9, (5, 5, 0, 0)), found("b", 0.8, (5, 5, 0, 0))], [((5, 5, 0, 0), ["a"]), ((5, 5, 0, 0), ["b"])]),
    ],
)
def test_detections_that_overlap_are_one_product(
    detections: list[DetectedObject], expected: list[tuple[Box, list[str]]]
) -> None:
    assert shown(merged(detections)) == expected


def test_gaps_are_told_from_products_by_their_tag() -> None:
    detections = [
        found("Gap", 0.4, HALF, "3"),
        found("cola", 0.9, A, "1"),
        found("GAP", 0.7, A, "2"),
        found("gap filler", 0.3, ELSEWHERE, "4"),
    ]
    result = recognized(detections, 640, 480)
    assert (result.image_metadata.width, result.image_metadata.height) == (640, 480)
    assert shown(result.products) == [(A, ["cola"]), (ELSEWHERE, ["gap filler"])]
    assert shown(result.gaps) == [(A, ["GAP"]), (HALF, ["Gap"])]
    assert [one.id for one in (*result.products, *result.gaps)] == ["1", "2", "3", "4"]
    assert recognized([], 60, 80).to_wire() == {"imageMetadata": {"width": 60, "height": 80}, "products": [], "gaps": []}


def test_the_image_lies_with_the_runs_job() -> None:
    assert image_key(recognition_job("1-2")) == "jobs/recognition-1-2/image"
