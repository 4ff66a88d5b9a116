"""What to label next, from points on a plane."""

import time
from collections.abc import Sequence

import numpy as np
import pytest

from vision_customization.engine.drafts import ordering
from vision_customization.engine.drafts.ordering import (
    least_margins,
    most_different,
    most_typical,
    most_useful,
    nearest,
    sampled,
)

LINE = [[0.0, 0], [1, 0], [2, 0], [3, 0], [10, 0]]


def points(rows: Sequence[Sequence[float]]) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, 2)


def positions(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


@pytest.mark.parametrize(
    ("labelled", "count", "expected"),
    [
        ([], 2, [2, 4]),  # the middle of most, then the one that is far from it
        ([[0, 0]], 2, [4, 2]),
        ([[2, 0]], 3, [4, 0, 1]),  # of equally good ones the first
        ([[2, 0], [10, 0]], 9, [0, 1, 3, 2, 4]),  # no more than there are, each once, those that help nothing last
        ([], 0, []),
    ],
)
def test_the_most_typical(labelled: list[list[float]], count: int, expected: list[int]) -> None:
    assert most_typical(points(LINE), points(labelled), count).tolist() == expected


@pytest.mark.parametrize(
    ("candidates", "count", "expected"),
    [
        (LINE, 3, [0, 4, 3]),  # the first, and the furthest from what was taken
        (LINE, 9, [0, 4, 3, 1, 2]),
        ([[0, 0], [0, 0], [4, 0], [4, 0], [9, 0]], 3, [0, 4, 2]),  # copies come last
        ([], 3, []),
    ],
)
def test_the_most_different(candidates: list[list[float]], count: int, expected: list[int]) -> None:
    assert most_different(points(candidates), count).tolist() == expected


@pytest.mark.parametrize(
    ("vector", "count", "expected"),
    [([2.2, 0], 3, [2, 3, 1]), ([10, 0], 1, [4]), ([0, 0], 9, [0, 1, 2, 3, 4]), ([0.5, 0], 2, [0, 1])],
)
def test_the_nearest(vector: list[float], count: int, expected: list[int]) -> None:
    assert nearest(points(LINE), np.array(vector, np.float32), count).tolist() == expected


@pytest.mark.parametrize(
    ("unlabelled", "count"),
    [([], 3), ([0, 1], 0)],
)
def test_nothing_to_order(unlabelled: list[int], count: int) -> None:
    assert most_useful(points(LINE), positions(*unlabelled), positions(), positions(), count).tolist() == []


def two_tags(per_tag: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Labelled points of two tags around (−4, 0) and (4, 0), and unlabelled ones at (−6, 0), (0.1, 0) and (5, 0)."""
    random = np.random.default_rng(0)
    labelled = [[side * 4 + dx, dy] for side in (-1, 1) for dx, dy in random.normal(0, 0.5, (per_tag, 2))]
    vectors = points([*labelled, [-6, 0], [0.1, 0], [5, 0]])
    first = 2 * per_tag
    return vectors, positions(*range(first, first + 3)), positions(*range(first)), positions(*([7] * per_tag + [3] * per_tag))


def test_with_few_labels_the_most_typical_comes_first() -> None:
    vectors, unlabelled, labelled, tags = two_tags(ordering.FIRST_PER_TAG - 1)
    assert most_useful(vectors, unlabelled, labelled, tags, 1).tolist() == most_typical_of(vectors, unlabelled, labelled)


def test_with_enough_labels_the_least_certain_come_first() -> None:
    vectors, unlabelled, labelled, tags = two_tags(ordering.FIRST_PER_TAG)
    between = int(unlabelled[1])
    assert np.argmin(least_margins(vectors, unlabelled, labelled, tags)) == 1
    assert most_useful(vectors, unlabelled, labelled, tags, 1).tolist() == [between]
    known = most_useful(vectors, unlabelled, labelled, tags, 1, known_tags=3)
    assert known.tolist() == most_typical_of(vectors, unlabelled, labelled), "a tag that no image has needs images, too"


def test_where_images_have_several_tags_only_how_typical_they_are_counts() -> None:
    vectors, unlabelled, labelled, _ = two_tags(ordering.FIRST_PER_TAG)
    assert most_useful(vectors, unlabelled, labelled, None, 1).tolist() == most_typical_of(vectors, unlabelled, labelled)


def most_typical_of(vectors: np.ndarray, unlabelled: np.ndarray, labelled: np.ndarray) -> list[int]:
    return unlabelled[most_typical(vectors[unlabelled], vectors[labelled], 1)].tolist()


def test_all_images_come_each_once() -> None:
    random = np.random.default_rng(1)
    vectors = random.normal(size=(300, 8)).astype(np.float32)
    labelled, tags = np.arange(40), np.arange(40) % 4
    found = most_useful(vectors, np.arange(40, 300), labelled, tags, 1000)
    assert sorted(found.tolist()) == list(range(40, 300))


@pytest.mark.parametrize(("count", "most", "expected"), [(3, 5, 3), (5, 5, 5), (50, 5, 5)])
def test_a_sample_keeps_the_order_and_is_the_same_again(count: int, most: int, expected: int) -> None:
    found = sampled(np.arange(count), most, 50)
    assert len(found) == expected
    assert found.tolist() == sorted(found.tolist()) == sampled(np.arange(count), most, 50).tolist()


def test_a_sample_hardly_changes_as_images_are_labelled() -> None:
    before = set(sampled(np.arange(1000), 100, 1000).tolist())
    after = set(sampled(np.delete(np.arange(1000), sorted(before)[3]), 100, 1000).tolist())
    assert len(before - after) == len(after - before) == 1


def test_a_sample_of_many_labels_has_every_tag() -> None:
    random = np.random.default_rng(2)
    count = 2 * ordering.LEARNT_MAX
    vectors = random.normal(size=(count + 10, 4)).astype(np.float32)
    tags = np.zeros(count, np.int64)
    tags[-1] = 1
    margins = least_margins(vectors, np.arange(count, count + 10), np.arange(count), tags)
    assert margins.shape == (10,)
    assert (margins >= 0).all()


@pytest.mark.parametrize("labelled", [0, 20, 50_000])
def test_a_hundred_thousand_images_are_ordered_in_bounded_time(labelled: int) -> None:
    random = np.random.default_rng(3)
    vectors = random.normal(size=(100_000, 128)).astype(np.float32)
    unlabelled, known = np.arange(labelled, 100_000), np.arange(labelled)
    started = time.process_time()
    assert len(most_useful(vectors, unlabelled, known, known % 10, 24)) == 24
    assert time.process_time() - started < 10
