"""Which location answers for which object, and what augmentation leaves of objects."""

import numpy as np
import pytest

from vision_customization.engine.learning.boxes import LabelledBoxes
from vision_customization.engine.learning.detection.assignment import BACKGROUND, assign
from vision_customization.engine.learning.detection.augmentation import augment
from vision_customization.engine.learning.images import fitting_size
from vision_customization.engine.learning.pretrained.nanodet import grid


def objects(*boxes: tuple[float, float, float, float], labels: tuple[int, ...] | None = None) -> LabelledBoxes:
    return LabelledBoxes(np.array(boxes, np.float32).reshape(-1, 4), np.array(labels or range(len(boxes)), np.int64))


def test_without_objects_everything_is_background() -> None:
    labels, boxes = assign(objects(), 64, 96)
    assert len(labels) == 8 * 12 + 4 * 6 + 2 * 3
    assert (labels == BACKGROUND).all()
    assert not boxes.any()


@pytest.mark.parametrize(
    ("box", "stride"),
    [((100, 100, 140, 140), 8), ((100, 100, 180, 180), 16), ((60, 60, 220, 220), 32)],
)
def test_an_object_is_answered_for_within_it_by_the_map_of_its_size(box: tuple[float, ...], stride: int) -> None:
    labels, boxes = assign(objects(box, labels=(5,)), 320, 320)  # type: ignore[arg-type]
    middles, strides, _ = grid(320, 320)
    answering = labels == 5
    assert answering.any()
    assert set(strides[answering]) == {stride}
    np.testing.assert_array_equal(boxes[answering], np.tile(np.array(box, np.float32), (answering.sum(), 1)))
    assert (middles[answering] > box[:2]).all()
    assert (middles[answering] < box[2:]).all()


def test_an_object_too_small_for_any_location_has_one_that_answers() -> None:
    labels, _ = assign(objects((9, 9, 10, 10)), 64, 64)
    assert (labels == 0).sum() == 1


def test_what_two_objects_claim_goes_to_the_one_of_the_anchors_size() -> None:
    labels, _ = assign(objects((40, 40, 80, 80), (44, 44, 76, 76)), 128, 128)
    assert {0, 1} <= set(labels.tolist())


def test_a_view_has_its_objects_where_it_shows_them() -> None:
    pixels = np.full((120, 160, 3), 20, np.uint8)
    pixels[30:60, 40:100] = (250, 240, 30)
    shares = objects((40 / 160, 30 / 120, 100 / 160, 60 / 120), labels=(3,))
    seen = 0
    for seed in range(60):
        picture, left = augment(pixels, shares, 128, np.random.default_rng(seed))
        assert picture.shape == (128, 128, 3)
        if not len(left):
            continue
        seen += 1
        assert left.labels.tolist() == [3]
        x0, y0, x1, y1 = left.corners[0]
        assert 0 <= x0 < x1 <= 128
        assert 0 <= y0 < y1 <= 128
        # It is brighter than anything around it, whatever was done to the colours.
        bright = picture.max(2) > (int(picture.max()) + int(np.median(picture))) / 2
        rows, columns = np.flatnonzero(bright.any(1)), np.flatnonzero(bright.any(0))
        found = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
        if picture[: int(y0)].max(initial=0) < 110 and np.median(picture) < 100:
            np.testing.assert_allclose(found, left.corners[0], atol=2.5)
    assert seen > 50


@pytest.mark.parametrize("place", [(0.02, 0.02), (0.5, 0.3), (0.98, 0.97)])
def test_half_of_the_parts_of_an_image_are_chosen_to_show_an_object(place: tuple[float, float]) -> None:
    """One small object in a large image: a random part would show it once in sixteen times."""
    size = 0.04
    box = (place[0] - size / 2, place[1] - size / 2, place[0] + size / 2, place[1] + size / 2)
    pixels = np.full((600, 800, 3), 20, np.uint8)
    views = [augment(pixels, objects(box), 128, np.random.default_rng(seed), tiles=4)[1] for seed in range(200)]
    assert 85 < sum(len(view) for view in views) < 135
    widths = [width for view in views for width in view.corners[:, 2] - view.corners[:, 0]]
    usual = 4 * size * 128 * (800 / 600) ** 0.5
    assert usual / 2 < max(widths) < 2 * usual


def test_the_same_generator_gives_the_same_view_and_an_image_without_objects_is_one_too() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (50, 300, 3)).astype(np.uint8)
    first = augment(pixels, objects(), 96, np.random.default_rng(5))
    second = augment(pixels, objects(), 96, np.random.default_rng(5))
    np.testing.assert_array_equal(first[0], second[0])
    assert len(first[1]) == 0


def test_a_long_image_is_squeezed() -> None:
    assert fitting_size(400, 400, 416) == (416, 416)
    assert fitting_size(10_000, 100, 416) == (832, 208)
