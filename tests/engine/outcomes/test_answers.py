"""The arrays of outcomes, and the same from the rows of older engines."""

from pathlib import Path

import numpy as np
import pytest

from tests.engine.outcomes.made import MADE, image, made_tags, put_older
from vision_customization.contract.judging import OutcomeKind
from vision_customization.engine.objects.files import FileObjects
from vision_customization.engine.outcomes.answers import Answers, Marks, ten_thousandths
from vision_customization.engine.outcomes.classified import classified, multi_classified
from vision_customization.engine.outcomes.stored import StoredOutcomes, put_outcomes


def rows(marks: Marks, least: float = 0) -> list[tuple[int, ...]]:
    chosen = marks.where(marks.confidences >= ten_thousandths(least))
    return sorted(zip(chosen.rows.tolist(), chosen.tags.tolist(), chosen.confidences.tolist(), strict=True))


def cells(answers: Answers) -> list[tuple[int, ...]] | None:
    kept = answers.cells
    if kept is None:
        return None
    columns = (column.tolist() for column in (kept.rows, kept.labels, kept.answers, kept.counts))
    return sorted(zip(*columns, strict=True))


def test_the_first_answer_finds_a_label_or_is_false() -> None:
    labels, probabilities = np.array([0, 1, 1]), np.array([[0.9, 0.1], [0.70004, 0.29996], [0.4, 0.6]], np.float32)
    answers = classified([image(number) for number in range(3)], labels, probabilities, ["a", "b"]).answers
    # The rows are in the order of the outcomes: images 1, 2, 0.
    assert rows(answers.labels) == [(0, 1, 0), (1, 1, 6000), (2, 0, 9000)]
    assert rows(answers.false) == [(0, 0, 7000)]
    assert (answers.kind, answers.images, answers.lowest) == (OutcomeKind.ONE_TAG, 3, 0.0)


def test_of_several_tags_the_improbable_ones_are_not_stored() -> None:
    present = np.array([[1, 0, 1], [0, 0, 0]], bool)
    probabilities = np.array([[0.8, 0.01, 0.004], [0.0099, 0.3, 0.001]], np.float32)
    answers = multi_classified([image(0), image(1)], present, probabilities, [0.5, 0.5, 0.5], ["a", "b", "c"]).answers
    assert rows(answers.labels) == [(0, 0, 8000), (0, 2, 0)]
    assert rows(answers.false) == [(0, 1, 100), (1, 1, 3000)]
    assert answers.lowest == 0.01


@pytest.mark.parametrize("kind", list(OutcomeKind))
@pytest.mark.parametrize("count", [0, 1, 250])
def test_arrays_are_stored_whole(kind: OutcomeKind, count: int, tmp_path: Path) -> None:
    objects, made = FileObjects(tmp_path), MADE[kind](count)
    put_outcomes(objects, "o", made)
    stored = StoredOutcomes.open(objects, "o")
    kept = stored.answers()
    assert (stored.kind, kept.kind, kept.images, kept.lowest) == (kind, kind, count, made.answers.lowest)
    for ours, theirs in ((kept.labels, made.answers.labels), (kept.false, made.answers.false)):
        assert rows(ours) == rows(theirs)
    assert cells(kept) == cells(made.answers)
    assert kept.nbytes == made.answers.nbytes < 200 + 130 * max(1, count)


@pytest.mark.parametrize("kind", list(OutcomeKind))
def test_rows_of_older_engines_say_the_same_from_their_lowest_threshold_on(kind: OutcomeKind, tmp_path: Path) -> None:
    objects, made = FileObjects(tmp_path), MADE[kind](250)
    put_older(objects, "o", made)
    stored = StoredOutcomes.open(objects, "o")
    older = stored.answers()
    assert (stored.kind, older.kind, older.images) == (kind, kind, 250)
    lowest = older.lowest
    assert lowest == {OutcomeKind.ONE_TAG: 0.0, OutcomeKind.OBJECTS: made.threshold}.get(kind, lowest)
    assert rows(older.labels, lowest) == rows(made.answers.labels, lowest)
    assert rows(older.false, lowest) == rows(made.answers.false, lowest)
    assert len(older.labels.rows) == len(made.answers.labels.rows)
    assert cells(older) == cells(made.answers)


def test_the_lowest_threshold_of_older_rows_is_above_the_probabilities_that_they_lack(tmp_path: Path) -> None:
    objects, made = FileObjects(tmp_path), made_tags(100)
    put_older(objects, "o", made)
    lowest = StoredOutcomes.open(objects, "o").answers().lowest
    assert 0.01 < lowest < 1
    fifth = [outcome.wire["tags"][4]["confidence"] for outcome in made.images]
    assert lowest == round(max(fifth) + 0.0001, 4)
