import numpy as np
import pytest

from vision_customization.engine.learning.near_duplicates import group_near_duplicates


def _bursts(counts: list[int], noise: float, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    centres = random.standard_normal((len(counts), 200))
    return (np.repeat(centres, counts, axis=0) + noise * random.standard_normal((sum(counts), 200))).astype(np.float32)


def test_bursts_are_groups() -> None:
    vectors = _bursts([3, 1, 4], noise=0.2)
    np.testing.assert_array_equal(group_near_duplicates(vectors, ["a"] * 8), [0, 0, 0, 1, 2, 2, 2, 2])


def test_what_differs_stays_apart() -> None:
    np.testing.assert_array_equal(group_near_duplicates(_bursts([3, 3], noise=2.0), ["a"] * 6), np.arange(6))


def test_only_images_with_the_same_label_are_compared() -> None:
    vectors = _bursts([4], noise=0.1)
    np.testing.assert_array_equal(group_near_duplicates(vectors, ["a", "b", "a", "b"]), [0, 1, 0, 1])


def test_groups_are_chains() -> None:
    """Each image is near the next; the first and the last are not near each other."""
    angles = np.deg2rad(np.arange(0, 180, 30))
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    np.testing.assert_array_equal(group_near_duplicates(vectors, [0] * 6), [0] * 6)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_any_number_of_images(count: int) -> None:
    np.testing.assert_array_equal(group_near_duplicates(np.zeros((count, 5), np.float32), [0] * count), np.arange(count))


def test_many_images_are_compared_in_parts() -> None:
    vectors = _bursts([300, 1, 299], noise=0.2)
    groups = group_near_duplicates(vectors, [0] * 600)
    np.testing.assert_array_equal(np.bincount(groups), [300, 1, 299])
