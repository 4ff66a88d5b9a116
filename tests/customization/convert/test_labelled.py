"""Boxes keep the contract's rules exactly, whatever floating point makes of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vision_customization.contract.coco.boxes import bbox_problem
from vision_customization.customization.convert.labelled import PixelBox, pixels_to_fractions


@given(st.data())
def test_every_box_within_its_image_keeps_the_rules(data: st.DataObject) -> None:
    width, height = data.draw(st.integers(10, 10_240)), data.draw(st.integers(10, 10_240))
    left, top = data.draw(st.integers(-2, width - 1)), data.draw(st.integers(-2, height - 1))
    right = data.draw(st.integers(max(left, 0) + 1, width + 2))
    bottom = data.draw(st.integers(max(top, 0) + 1, height + 2))
    assert bbox_problem(list(pixels_to_fractions(PixelBox(left, top, right, bottom), width, height))) is None


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        (PixelBox(0, 0, 100, 50), (0, 0, 1, 1)),
        (PixelBox(-2, -2, 102, 52), (0, 0, 1, 1)),
        (PixelBox(25, 10, 75, 20), (0.25, 0.2, 0.5, 0.2)),
    ],
)
def test_pixels_become_fractions(box: PixelBox, expected: tuple[float, ...]) -> None:
    assert pixels_to_fractions(box, 100, 50) == pytest.approx(expected)


@pytest.mark.parametrize(
    "box",
    [
        PixelBox(0, 0, 103, 50),
        PixelBox(-3, 0, 10, 50),
        PixelBox(5, 5, 5, 9),
        PixelBox(float("nan"), 0, 1, 1),
        PixelBox(0, 0, float("inf"), 1),
    ],
)
def test_what_is_no_box(box: PixelBox) -> None:
    with pytest.raises(ValueError, match="box from"):
        pixels_to_fractions(box, 100, 50)
