"""Which product stands where: shelves as they should be, as cameras see them, and as they are found."""

import json
import re
import time
from collections.abc import Sequence

import numpy as np
import pytest

from tests.support.places import DOCS
from vision_customization.contract.analysis import BoundingBox, DetectedObject, ImageMetadata, Tag
from vision_customization.contract.products import (
    Planogram,
    PlanogramFixture,
    PlanogramMatch,
    PlanogramMatchResult,
    PlanogramPosition,
    PlanogramProduct,
    ProductRecognitionResult,
)
from vision_customization.engine.products.planogram import (
    ITEMS_MAX,
    PlanogramError,
    compare_with_planogram,
    match_planogram,
)

SIZES = {"cola": (6.0, 20.0), "tea": (10.0, 15.0), "rice": (12.0, 18.0), "oats": (8.0, 18.0), "soup": (6.0, 12.0)}
TOP, BOTTOM = 10.0, 50.0
SHELF = [
    ("p1", "cola", 10, TOP),
    ("p2", "cola", 18, TOP),
    ("p3", "cola", 26, TOP),
    ("p4", "tea", 40, TOP),
    ("p5", "rice", 10, BOTTOM),
    ("p6", "rice", 25, BOTTOM),
    ("p7", "oats", 45, BOTTOM),
]
ROW = [(f"r{index}", "cola", 10 + 8 * index, TOP) for index in range(5)]

Shelf = Sequence[tuple[str, str, float, float]]


def planogram(shelf: Shelf, width: float = 100, height: float = 80) -> Planogram:
    products = [PlanogramProduct(id=f"of {name}", name=name, w=w, h=h) for name, (w, h) in SIZES.items()]
    positions = [PlanogramPosition(id=id_, product_id=f"of {name}", fixture_id="f", x=x, y=y) for id_, name, x, y in shelf]
    fixture = PlanogramFixture(id="f", w=width, h=2, x=0, y=height - 2)
    return Planogram(width=width, height=height, products=products, fixtures=[fixture], positions=positions)


def seen(
    shelf: Shelf,
    scale: tuple[float, float] = (10, 10),
    shift: tuple[float, float] = (0, 0),
    image: tuple[int, int] = (1000, 800),
    noise: float = 0.0,
) -> ProductRecognitionResult:
    """The products of a shelf through a camera; the id of each is that of its position."""
    random = np.random.default_rng(0)
    products = []
    for id_, name, x, y in shelf:
        w, h = SIZES[name]
        jitter = random.normal(0, noise, 2)
        box = BoundingBox(
            x=round((x + jitter[0] * w) * scale[0] + shift[0]),
            y=round((y + jitter[1] * h) * scale[1] + shift[1]),
            w=round(w * scale[0]),
            h=round(h * scale[1]),
        )
        products.append(DetectedObject(id=id_, bounding_box=box, tags=[Tag(name=name, confidence=0.9)]))
    return ProductRecognitionResult(image_metadata=ImageMetadata(width=image[0], height=image[1]), products=products)


def matches(shelf: Shelf, detected: ProductRecognitionResult) -> dict[str, str]:
    """Position to detection, by their ids."""
    found = match_planogram(planogram(shelf), detected)
    return {one.position_id: one.detected_object.id for one in found if one.detected_object is not None}


def itself(shelf: Shelf, *without: str) -> dict[str, str]:
    return {id_: id_ for id_, *_ in shelf if id_ not in without}


CAMERAS = {
    "the planogram alone": ((10.0, 10.0), (0.0, 0.0)),
    "from further away": ((4.0, 4.0), (300.0, 250.0)),
    "from nearby": ((22.0, 22.0), (-150.0, -90.0)),
    "stretched": ((12.0, 8.0), (35.0, 120.0)),
}


@pytest.mark.parametrize(("scale", "shift"), CAMERAS.values(), ids=CAMERAS)
@pytest.mark.parametrize("shelf", [SHELF, ROW], ids=["shelf", "row"])
@pytest.mark.parametrize("noise", [0.0, 0.08], ids=["neat", "sloppy"])
def test_a_perfect_shelf(shelf: Shelf, scale: tuple[float, float], shift: tuple[float, float], noise: float) -> None:
    assert matches(shelf, seen(shelf, scale, shift, noise=noise)) == itself(shelf)


@pytest.mark.parametrize(("scale", "shift"), CAMERAS.values(), ids=CAMERAS)
@pytest.mark.parametrize("missing", [id_ for id_, *_ in SHELF])
def test_a_missing_product(scale: tuple[float, float], shift: tuple[float, float], missing: str) -> None:
    shelf = [one for one in SHELF if one[0] != missing]
    assert matches(SHELF, seen(shelf, scale, shift, noise=0.05)) == itself(SHELF, missing)


@pytest.mark.parametrize("missing", ["r1", "r2", "r3"])
def test_a_gap_in_a_row_of_the_same(missing: str) -> None:
    row = [one for one in ROW if one[0] != missing]
    assert matches(ROW, seen(row, (9, 9), (40, 7))) == itself(ROW, missing)


@pytest.mark.parametrize("missing", ["r0", "r4"])
def test_which_end_of_a_row_of_the_same_is_missing_is_told_by_the_frame(missing: str) -> None:
    row = [one for one in ROW if one[0] != missing]
    assert matches(ROW, seen(row)) == itself(ROW, missing)


def test_another_product_in_a_place() -> None:
    shelf = [(id_, "tea" if id_ == "p6" else name, x, y) for id_, name, x, y in SHELF]
    assert matches(SHELF, seen(shelf, (7, 7), (20, 30))) == itself(SHELF, "p6")


def test_two_products_that_changed_places() -> None:
    places = {id_: (x, y) for id_, _, x, y in SHELF}
    exchanged = {"p4": places["p7"], "p7": places["p4"]}
    shelf = [(id_, name, *exchanged.get(id_, (x, y))) for id_, name, x, y in SHELF]
    assert matches(SHELF, seen(shelf, (7, 7), (20, 30))) == itself(SHELF, "p4", "p7")


@pytest.mark.parametrize(
    "extra",
    [
        ("x", "oats", 70, BOTTOM),  # nowhere
        ("x", "rice", 40, BOTTOM),  # beside the last of its kind
        ("x", "cola", 13, TOP),  # squeezed between two of its kind
        ("x", "tea", 90, 70),  # far away
    ],
)
def test_an_extra_product(extra: tuple[str, str, float, float]) -> None:
    assert matches(SHELF, seen([*SHELF, extra], (7, 7), (20, 30))) == itself(SHELF)


def test_of_two_in_one_place_the_nearer_one() -> None:
    twice = [*SHELF, ("x", "tea", 42, TOP + 1)]
    assert matches(SHELF, seen(twice)) == itself(SHELF)


def test_one_product_is_enough() -> None:
    assert matches(SHELF, seen([SHELF[3]], (5, 5), (400, 90))) == {"p4": "p4"}


@pytest.mark.parametrize(
    ("shelf", "detected"),
    [
        ([], seen([])),
        ([], seen(SHELF)),
        (SHELF, seen([])),
        # nothing in common: how the camera looked at the shelf cannot be told
        (SHELF[:3], seen(SHELF[4:])),
    ],
)
def test_nothing_to_match(shelf: Shelf, detected: ProductRecognitionResult) -> None:
    assert matches(shelf, detected) == {}


def test_a_product_is_what_its_most_confident_tag_says() -> None:
    detected = seen(SHELF)
    tea, oats = detected.products[3], detected.products[6]
    tea.tags = [Tag(name="soup", confidence=0.2), Tag(name="tea", confidence=0.7)]
    oats.tags = [Tag(name="soup", confidence=0.7), Tag(name="oats", confidence=0.2)]
    detected.products.append(tea.model_copy(update={"id": "untagged", "tags": []}))
    assert matches(SHELF, detected) == itself(SHELF, "p7")


def test_gaps_and_boxes_without_an_area_match_nothing_wrong() -> None:
    detected = seen(SHELF)
    detected.gaps = [detected.products[0].model_copy(update={"id": "gap"})]
    point = detected.products[3].model_copy(update={"id": "point", "bounding_box": BoundingBox(x=0, y=0, w=0, h=0)})
    detected.products.append(point)
    assert matches(SHELF, detected) == itself(SHELF)


def test_positions_come_in_the_planograms_order() -> None:
    shelf = SHELF[::-1]
    assert list(matches(shelf, seen(SHELF))) == [id_ for id_, *_ in shelf]


def test_the_order_of_detections_does_not_matter() -> None:
    detected = seen(SHELF, (4, 4), (300, 250), noise=0.08)
    detected.products.reverse()
    assert matches(SHELF, detected) == itself(SHELF)


@pytest.mark.parametrize(
    ("change", "target", "says"),
    [
        ({"product_id": "of beer"}, "planogram.positions[6].productId", "planogram.products has no product 'of beer'"),
        ({"fixture_id": "g"}, "planogram.positions[6].fixtureId", "planogram.fixtures has no fixture 'g'"),
        ({"id": "p1"}, "planogram.positions[6].id", "'p1' is the id of an earlier entry"),
    ],
)
def test_a_reference_to_nothing(change: dict[str, str], target: str, says: str) -> None:
    wrong = planogram(SHELF)
    wrong.positions[6] = wrong.positions[6].model_copy(update=change)
    with pytest.raises(PlanogramError) as caught:
        match_planogram(wrong, seen(SHELF))
    assert caught.value.target == target
    assert str(caught.value) == f"{target}: {says}"


@pytest.mark.parametrize("kind", ["products", "fixtures"])
def test_an_id_that_is_there_twice(kind: str) -> None:
    wrong = planogram(SHELF)
    items = getattr(wrong, kind)
    items.append(items[0])
    with pytest.raises(PlanogramError, match=rf"planogram.{kind}\[{len(items) - 1}\].id: "):
        match_planogram(wrong, seen(SHELF))


def without(shelf: Shelf, *ids: str) -> list[tuple[str, str, float, float]]:
    return [one for one in shelf if one[0] not in ids]


def renamed(shelf: Shelf, **names: str) -> list[tuple[str, str, float, float]]:
    return [(id_, names.get(id_, name), x, y) for id_, name, x, y in shelf]


@pytest.mark.parametrize(
    ("detected", "missing", "instead", "extra"),
    [
        (SHELF, [], {}, []),
        # an empty place
        (without(SHELF, "p4"), ["p4"], {}, []),
        # another product in a place, of another size
        (renamed(SHELF, p6="tea"), ["p6"], {"p6": "p6"}, []),
        # two that changed places
        (renamed(SHELF, p4="oats", p7="tea"), ["p4", "p7"], {"p4": "p4", "p7": "p7"}, []),
        # a stranger that stands in no place, and one between a product that is there and an empty place
        ([*SHELF, ("x", "soup", 70.0, BOTTOM)], [], {}, ["x"]),
        ([*without(SHELF, "p2"), ("x", "tea", 17.0, TOP + 3)], ["p2"], {"p2": "x"}, []),
        # two strangers at one place: the nearer one stands there
        ([*without(SHELF, "p5"), ("x", "tea", 8.0, BOTTOM), ("y", "tea", 11.0, BOTTOM + 1)], ["p5"], {"p5": "y"}, ["x"]),
        # one stranger between two empty places stands at one of them
        ([*without(SHELF, "p1", "p2"), ("x", "tea", 14.0, TOP)], ["p1", "p2"], {"p2": "x"}, []),
    ],
)
def test_what_is_missing_wrong_and_too_much(
    detected: Shelf, missing: list[str], instead: dict[str, str], extra: list[str]
) -> None:
    result = seen(detected, (7, 9), (20, 30))
    compared = compare_with_planogram(planogram(SHELF), result)
    assert [position.id for position in compared.positions] == [id_ for id_, *_ in SHELF]
    assert [position.id for position in compared.positions if position.found is None] == missing
    assert {position.id: position.instead.id for position in compared.positions if position.instead is not None} == instead
    assert [product.id for product in compared.extra] == extra
    found = {position.id: position.found.id for position in compared.positions if position.found is not None}
    assert found == matches(SHELF, result), "both tell the same"


def test_where_a_missing_product_should_be() -> None:
    compared = compare_with_planogram(planogram(SHELF), seen(without(SHELF, "p4"), (7, 9), (20, 30)))
    place = next(position.place_xywh for position in compared.positions if position.id == "p4")
    assert place == pytest.approx((40 * 7 + 20, TOP * 9 + 30, 10 * 7, 15 * 9), abs=1)


def test_without_any_match_the_places_are_unknown_and_all_products_are_extra() -> None:
    compared = compare_with_planogram(planogram(SHELF[:3]), seen(SHELF[4:]))
    assert [(position.name, position.place_xywh) for position in compared.positions] == [("cola", None)] * 3
    assert [product.id for product in compared.extra] == ["p5", "p6", "p7"]


def test_a_position_may_be_far_outside_of_the_image() -> None:
    far = [*SHELF, ("far", "tea", 1e9, -1e9)]
    place = compare_with_planogram(planogram(far), seen(SHELF)).positions[-1].place_xywh
    assert place is not None
    assert place[0] == pytest.approx(1e10, rel=0.01)


def test_the_documented_example() -> None:
    page = (DOCS / "product-recognition.md").read_text("utf-8")
    request, reply = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", page, re.DOTALL))
    body = PlanogramMatch.model_validate(request)
    matched = match_planogram(body.planogram, body.detected_products)
    assert PlanogramMatchResult(matching_result_per_position=matched).to_wire() == reply


def test_positions_nearer_to_each_other_than_products_are_wide_take_no_longer() -> None:
    """As where positions are in metres and sizes in centimetres."""
    random = np.random.default_rng(0)
    crowd = [(f"m{index}", "cola", *random.uniform(0, 0.2, 2)) for index in range(ITEMS_MAX)]
    started = time.monotonic()
    matches(crowd, seen(crowd, (30, 30), (100, 50), (2000, 2000)))
    assert time.monotonic() - started < 60


def test_a_store_full_of_one_product_is_matched_in_time_and_more_is_refused() -> None:
    many = [(f"m{index}", "cola", 7.0 * (index % 40), 22.0 * (index // 40)) for index in range(ITEMS_MAX)]
    started = time.monotonic()
    found = matches(many, seen(many, (3, 3), (100, 50), (1200, 2000), noise=0.1))
    assert time.monotonic() - started < 60
    assert found == itself(many)
    with pytest.raises(PlanogramError, match=r"planogram.positions: at most 1,000, not 1,001"):
        matches([*many, ("one more", "cola", 0, 0)], seen(SHELF))
    with pytest.raises(PlanogramError, match=r"detectedProducts.products: at most 1,000, not 1,001"):
        matches(SHELF, seen([*many, ("one more", "cola", 0, 0)]))
