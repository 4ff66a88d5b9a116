"""Boxes of masks and outlines, held against COCO's own tools and against masks drawn pixel by pixel."""

import io
import random

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from vision_customization.customization.convert.masks import (
    Edges,
    Run,
    brush_edges,
    coco_counts,
    coco_edges,
    counted_runs,
    ellipse_edges,
    outline_edges,
    png_edges,
    runs_edges,
    turned_edges,
)


def edges_of(mask: np.ndarray) -> Edges | None:
    rows, columns = np.nonzero(mask)
    return (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) if len(rows) else None


def masks() -> list[np.ndarray]:
    made = np.random.default_rng(7)
    drawn = [np.zeros((6, 9), np.uint8), np.ones((6, 9), np.uint8)]
    for share in (0.02, 0.1, 0.5):
        drawn += [(made.random((6, 9)) < share).astype(np.uint8) for _ in range(20)]
    return drawn


@pytest.mark.parametrize("mask", masks())
def test_the_box_of_a_coco_mask_is_that_of_its_pixels(mask: np.ndarray) -> None:
    encoded = coco_mask.encode(np.asfortranarray(mask))
    compressed = {"size": encoded["size"], "counts": encoded["counts"].decode()}
    runs = coco_counts(compressed["counts"])
    assert coco_edges(compressed) == coco_edges({"size": list(mask.shape), "counts": runs}) == edges_of(mask)
    if mask.any():
        left, top, width, height = coco_mask.toBbox(encoded)
        assert coco_edges(compressed) == (left, top, left + width, top + height)


@pytest.mark.parametrize("mask", masks())
def test_the_box_of_a_brush_is_that_of_its_alpha(mask: np.ndarray) -> None:
    height, width = mask.shape
    rgba = [value for pixel in mask.flatten() for value in (9, 0, 200, 255 * int(pixel))]
    assert brush_edges(packed(rgba), width, height) == edges_of(mask)


def packed(values: list[int]) -> list[int]:
    """The values in runs of random kinds and lengths, as https://github.com/thi-ng/umbrella (rle-pack) writes them."""
    sizes, choose = (3, 4, 8, 16), random.Random(1)
    bits = f"{len(values):032b}" + f"{7:05b}" + "".join(f"{size - 1:04b}" for size in sizes)
    position = 0
    while position < len(values):
        same = 1
        while position + same < len(values) and values[position + same] == values[position] and same < 256:
            same += 1
        slot = 2 if same > 1 else choose.randrange(4)
        length = same if same > 1 else min(choose.randint(1, 8), len(values) - position)
        bits += f"{int(same > 1)}{slot:02b}{length - 1:0{sizes[slot]}b}"
        chosen = values[position : position + (1 if same > 1 else length)]
        bits += "".join(f"{value:08b}" for value in chosen)
        position += length
    bits += "0" * (-len(bits) % 8)
    return [int(bits[index : index + 8], 2) for index in range(0, len(bits), 8)]


@pytest.mark.parametrize("mask", masks())
def test_the_box_of_a_png_is_that_of_its_pixels(mask: np.ndarray) -> None:
    stream = io.BytesIO()
    Image.fromarray(mask.astype(bool)).save(stream, "PNG")
    assert png_edges(stream.getvalue()) == edges_of(mask)


@pytest.mark.parametrize(
    ("runs", "columns", "expected"),
    [
        ([(3, 5)], False, (3, 0, 5, 1)),
        ([(3, 5)], True, (0, 3, 1, 5)),
        ([(9, 11)], False, (0, 0, 10, 2)),
        ([(12, 13), (25, 27)], False, (2, 1, 7, 3)),
        ([(5, 5)], False, None),
        ([], False, None),
    ],
)
def test_runs(runs: list[Run], columns: bool, expected: Edges | None) -> None:
    assert runs_edges(runs, 10, columns=columns) == expected


def test_shapes() -> None:
    assert outline_edges([(3, 9), (1, 2), (8, 4)]) == (1, 2, 8, 9)
    assert turned_edges((0, 0, 4, 2), 90, (0, 0)) == pytest.approx((-2, 0, 0, 4))
    assert turned_edges((0, 0, 4, 2), 180, (2, 1)) == pytest.approx((0, 0, 4, 2))
    assert ellipse_edges(10, 10, 4, 2) == pytest.approx((6, 8, 14, 12))
    assert ellipse_edges(10, 10, 4, 2, 90) == pytest.approx((8, 6, 12, 14))
    assert coco_edges([[1, 2, 3, 4, 5, 0], [9, 9, 8, 8, 7, 9]]) == (1, 0, 9, 9)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: coco_edges([[1, 2, 3]]), "a polygon must be a list of numbers"),
        (lambda: coco_edges([[1, 2, 3, float("nan")]]), "a polygon must be a list of numbers"),
        (lambda: coco_edges([[1, 10**400]]), "a polygon must be a list of numbers"),
        (lambda: coco_edges([]), "an outline needs points, but this one has 0"),
        (lambda: coco_edges("x"), "segmentation must be a list of polygons, or an RLE"),
        (lambda: coco_edges({"size": [2], "counts": "1"}), r"the RLE's `size` must be \[height, width\]"),
        (lambda: coco_edges({"size": [10**9, 10**9], "counts": "1"}), r"the RLE's `size` must be \[height, width\]"),
        (lambda: coco_edges({"size": [2, 2], "counts": None}), "the RLE's `counts` must be text, or a list"),
        (lambda: coco_edges({"size": [2, 2], "counts": [1, 1]}), "are 2 pixels together, must be 4"),
        (lambda: coco_edges({"size": [2, 2], "counts": [8, -4]}), "are 4 pixels together, must be 4"),
        (lambda: coco_counts("1\x7f"), "are not COCO's compressed run lengths"),
        (lambda: coco_counts("oooooooooo"), "are not COCO's compressed run lengths"),
        (lambda: coco_counts("o"), "end within a number"),
        (lambda: list(counted_runs([1, 2], 4)), "are 3 pixels together, must be 4"),
        (lambda: brush_edges([1, 2], 2, 2), "ends too early"),
        (lambda: brush_edges([0] * 9, 2, 2), "has 0 values, must be 4 for each pixel: 16"),
        (lambda: brush_edges([256], 2, 2), "must be a list of bytes"),
        (lambda: png_edges(b"x"), "the mask is not a PNG image"),
        (lambda: outline_edges([(1, 1)]), "an outline needs points, but this one has 1"),
    ],
)
def test_faults_of_masks(call: object, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        call()  # type: ignore[operator]
