"""Two models on the same images."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.engine.outcomes.made import MADE, TAGS, image, put_older, whole
from vision_customization.contract.judging import ComparedImage, Comparison, ComparisonFilter, OutcomeKind
from vision_customization.engine.objects.files import FileObjects
from vision_customization.engine.outcomes.classified import classified
from vision_customization.engine.outcomes.comparison import mcnemar_p_value, paired, side
from vision_customization.engine.outcomes.judge import Judge
from vision_customization.engine.outcomes.outcomes import Outcomes
from vision_customization.engine.outcomes.questions import InvalidQuestion
from vision_customization.engine.outcomes.stored import put_outcomes


@pytest.mark.parametrize(
    ("only_first", "only_second", "p_value"),
    [
        (0, 0, 1.0),
        (1, 0, 1.0),  # 2 · 1/2
        (3, 3, 1.0),
        (0, 6, 2 / 64),
        (6, 0, 2 / 64),
        (1, 5, 2 * (1 + 6) / 64),
        (10, 2, 2 * (1 + 12 + 66) / 4096),
    ],
)
def test_the_p_value_is_that_of_fair_tosses(only_first: int, only_second: int, p_value: float) -> None:
    assert mcnemar_p_value(only_first, only_second) == pytest.approx(p_value)


def one_tag(images: Sequence[tuple[int, int, float]], labels: dict[int, int] | None = None) -> Outcomes:
    """Of images (number, answer, confidence) whose label is 0, or that of `labels`. The other tag has the rest."""
    truth = np.array([(labels or {}).get(number, 0) for number, _, _ in images])
    probabilities = np.zeros((len(images), 3), np.float32)
    for row, (_, answer, confidence) in enumerate(images):
        probabilities[row, answer], probabilities[row, 1 - answer] = confidence, 1 - confidence
    return whole(classified([image(number) for number, _, _ in images], truth, probabilities, TAGS))


# Images 0 and 1 both right, 2 and 3 and 4 only the first, 5 only the second, 6 neither; 7 of the first and 8, 9 of the second.
FIRST = one_tag([(0, 0, 0.9), (1, 0, 0.8), (2, 0, 0.6), (3, 0, 0.7), (4, 0, 0.8), (5, 1, 0.9), (6, 1, 0.7), (7, 0, 0.9)])
SECOND = one_tag(
    [(9, 0, 0.9), (8, 1, 0.9), (6, 1, 0.6), (5, 0, 0.9), (4, 1, 0.55), (3, 1, 0.6), (2, 1, 0.95), (1, 0, 0.7), (0, 0, 0.6)],
    {8: 1},
)
NUMBERS = Comparison(
    kind=OutcomeKind.ONE_TAG,
    images=7,
    both_right=2,
    only_first=3,
    only_second=1,
    both_wrong=1,
    only_in_first=1,
    only_in_second=2,
    labels_differ=0,
    p_value=2 * (1 + 4) / 16,
)


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    objects = FileObjects(tmp_path)
    put_outcomes(objects, "a", FIRST)
    put_outcomes(objects, "b", SECOND)
    return Judge(objects)


def test_images_are_counted_by_who_is_right(judge: Judge) -> None:
    assert judge.compare("a", "b") == NUMBERS
    turned = judge.compare("b", "a")
    assert (turned.only_first, turned.only_second, turned.only_in_first, turned.p_value) == (1, 3, 2, NUMBERS.p_value)
    same = judge.compare("a", "a")
    assert (same.images, same.both_right, same.both_wrong, same.p_value) == (8, 6, 2, 1)


@pytest.mark.parametrize(
    ("only", "images"),
    [
        (ComparisonFilter.FIRST, {2, 3, 4}),
        (ComparisonFilter.SECOND, {5}),
        (ComparisonFilter.DIFFERING, {2, 3, 4, 5}),
        (ComparisonFilter.BOTH, {0, 1}),
        (ComparisonFilter.NEITHER, {6}),
        (None, {0, 1, 2, 3, 4, 5, 6}),
        (ComparisonFilter.UNPAIRED, {7, 8, 9}),
    ],
)
def test_images_of_each_kind_are_listed_with_both_outcomes(
    judge: Judge, only: ComparisonFilter | None, images: set[int]
) -> None:
    numbers, count, lines = judge.comparison_page("a", "b", only, 0, 100)
    assert (numbers, count, len(lines)) == (NUMBERS, len(images), len(images))
    found = set()
    for line in lines:
        compared = ComparedImage.model_validate_json(line)
        assert compared.to_wire() == json.loads(line)
        sides = [each for each in (compared.first, compared.second) if each is not None]
        assert len(sides) == (1 if only is ComparisonFilter.UNPAIRED else 2)
        assert len({each.digest for each in sides}) == 1
        found.add(sides[0].image)
        if only is ComparisonFilter.FIRST:
            assert [each.right for each in sides] == [True, False]
    assert found == {image(number).url for number in images}
    pages = [line for skip in range(len(images)) for line in judge.comparison_page("a", "b", only, skip, 1)[2]]
    assert pages == lines


def test_the_worst_images_come_first(judge: Judge) -> None:
    """By the worse place: 5 is the first of 8 in the first model's outcomes, 2 the second of 9 in the second model's."""
    _, _, lines = judge.comparison_page("a", "b", ComparisonFilter.DIFFERING, 0, 100)
    shown = [json.loads(line)["first"]["image"] for line in lines]
    places = [[outcome.wire["image"] for outcome in outcomes.images] for outcomes in (FIRST, SECOND)]
    worst = [min(places[0].index(url) / 8, places[1].index(url) / 9) for url in shown]
    assert worst == sorted(worst)
    assert {shown[0], shown[1]} == {image(5).url, image(2).url}


def test_an_image_that_is_listed_twice_counts_once() -> None:
    """It is right if each of its outcomes is."""
    digests = np.array([b"x" * 32, b"y" * 32, b"x" * 32, b"z" * 32], "S32")
    nothing = np.zeros(0, np.int64)
    first = side(OutcomeKind.ONE_TAG, digests, np.array([False, True, True, True]), nothing, nothing, TAGS)
    second = side(OutcomeKind.ONE_TAG, digests[[1, 2]], np.array([True, True]), nothing, nothing, TAGS)
    pairs = paired(first, second)
    assert (pairs.numbers.images, pairs.numbers.both_right, pairs.numbers.only_second) == (2, 1, 1)
    assert pairs.numbers.only_in_first == 1
    assert pairs.selected(ComparisonFilter.SECOND).tolist() == [[0, 1]]


def test_other_labels_are_counted(tmp_path: Path) -> None:
    objects = FileObjects(tmp_path)
    images = [(0, 0, 0.9), (1, 0, 0.8), (2, 0, 0.6)]
    put_outcomes(objects, "a", one_tag(images))
    put_outcomes(objects, "b", one_tag(images, {1: 1, 2: 2}))
    assert Judge(objects).compare("a", "b").labels_differ == 2


@pytest.mark.parametrize("kind", list(OutcomeKind))
def test_every_kind_can_be_compared_also_with_older_outcomes(kind: OutcomeKind, tmp_path: Path) -> None:
    objects = FileObjects(tmp_path)
    put_outcomes(objects, "a", MADE[kind](150))
    put_older(objects, "b", MADE[kind](120))
    put_outcomes(objects, "c", MADE[kind](150, seed=1))
    judge = Judge(objects)
    same = judge.compare("a", "b")
    # The first images of both are made alike, so only their number differs where random numbers are drawn image by image.
    assert (same.images, same.only_in_first, same.only_in_second) == (120, 30, 0)
    other = judge.compare("a", "c")
    wrong = [sum(not outcome.wire["right"] for outcome in MADE[kind](150, seed=seed).images) for seed in (0, 1)]
    assert other.images == other.both_right + other.only_first + other.only_second + other.both_wrong == 150
    assert [other.both_wrong + other.only_second, other.both_wrong + other.only_first] == wrong
    assert other.labels_differ > 0


def test_models_of_different_kinds_are_not_compared(tmp_path: Path) -> None:
    objects = FileObjects(tmp_path)
    put_outcomes(objects, "a", MADE[OutcomeKind.ONE_TAG](10))
    put_outcomes(objects, "b", MADE[OutcomeKind.OBJECTS](10))
    with pytest.raises(InvalidQuestion) as caught:
        Judge(objects).compare("a", "b")
    assert str(caught.value) == ("The first model answers one tag per image, the second objects. Compare models of one kind.")
