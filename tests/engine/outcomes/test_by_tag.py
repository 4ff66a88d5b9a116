"""The numbers of each tag."""

import json
from pathlib import Path

import pytest

from tests.engine.outcomes.made import MADE, TAGS, answers, image
from tests.engine.outcomes.test_detected import OUTCOMES
from vision_customization.contract.judging import OutcomeKind, TagOutcome
from vision_customization.contract.outcomes import Confusion, Curves
from vision_customization.engine.learning.average_precision import average_precision
from vision_customization.engine.objects.files import FileObjects
from vision_customization.engine.outcomes.by_tag import by_tag
from vision_customization.engine.outcomes.classified import classified
from vision_customization.engine.outcomes.judge import Judge
from vision_customization.engine.outcomes.stored import put_outcomes
from vision_customization.engine.outcomes.threshold import at_threshold


def test_tags_are_counted_from_the_confusion() -> None:
    cells = [
        {"label": "a", "answer": "a", "count": 6},
        {"label": "a", "answer": "b", "count": 1},
        {"label": "a", "count": 1},
        {"answer": "a", "count": 3},
        {"label": "b", "answer": "a", "count": 1},
    ]
    confusion = Confusion.model_validate({"images": 9, "tags": ["a", "b", "c"], "threshold": 0.4, "cells": cells})
    curve = {"precision": [1.0, 0.6], "recall": [0.5, 0.75], "threshold": [0.9, 0.4]}
    empty: dict[str, list[float]] = {"precision": [], "recall": [], "threshold": []}
    found = by_tag(confusion, Curves.model_validate({"tags": {"a": curve, "c": empty}}))
    assert (found.images, found.threshold) == (9, 0.4)
    assert found.tags == [
        TagOutcome(
            tag="a",
            labels=8,
            right=6,
            missed=2,
            false=4,
            precision=0.6,
            recall=0.75,
            f1=2 * 6 / 18,
            average_precision=0.5 + 0.25 * 0.6,
        ),
        TagOutcome(tag="b", labels=1, right=0, missed=1, false=1, precision=0, recall=0, f1=0),
        TagOutcome(tag="c", labels=0, right=0, missed=0, false=0),
    ]


@pytest.mark.parametrize("kind", list(OutcomeKind))
def test_tags_of_stored_outcomes(kind: OutcomeKind, tmp_path: Path) -> None:
    objects, made = FileObjects(tmp_path), MADE[kind](200)
    put_outcomes(objects, "o", made)
    found = Judge(objects).tags("o")
    assert [outcome.tag for outcome in found.tags] == list(made.tags)
    assert (found.images, found.threshold) == (200, made.threshold)
    for outcome in found.tags:
        assert outcome.average_precision is not None
        if kind is OutcomeKind.OBJECTS:
            at = at_threshold(made.answers, made.tags, made.threshold or 0, outcome.tag).numbers
        elif kind is OutcomeKind.ONE_TAG:
            at = at_threshold(made.answers, made.tags, 0, outcome.tag).numbers
        else:
            [own] = {tag["threshold"] for image in made_wires(objects) for tag in image["tags"] if tag["name"] == outcome.tag}
            at = at_threshold(made.answers, made.tags, own, outcome.tag).numbers
        assert (outcome.labels, outcome.right, outcome.false) == (at.labels, at.right, at.false)
        assert (outcome.precision, outcome.recall, outcome.f1) == (at.precision, at.recall, at.f1)


def made_wires(objects: FileObjects) -> list[dict[str, list[dict[str, object]]]]:
    return [json.loads(line) for line in Judge(objects).open("o").page(0, 200)[1]]


def test_the_average_precision_is_that_of_the_metrics(tmp_path: Path) -> None:
    objects = FileObjects(tmp_path)
    for count, apart in ((90, 1e-4), (5000, 0.01)):  # of more than 101 points, the curve keeps those that shape it
        labels, probabilities = answers(count)
        put_outcomes(objects, "o", classified([image(number) for number in range(count)], labels, probabilities, TAGS))
        for index, outcome in enumerate(Judge(objects).tags("o").tags):
            exact = average_precision(labels == index, probabilities[:, index])
            assert outcome.average_precision == pytest.approx(exact, abs=apart)


def test_a_detector_s_false_objects_count_against_their_own_tag() -> None:
    cells = [
        {"label": label, "answer": answer, "count": count}
        for (label, answer), count in (
            ((TAGS_OF_OBJECTS.get(label), TAGS_OF_OBJECTS.get(answer)), count)
            for (label, answer), count in OUTCOMES.confusion.items()
        )
    ]
    confusion = Confusion.model_validate({"images": 4, "tags": ["cat", "dog"], "cells": cells})
    found = by_tag(confusion, Curves())
    assert [(outcome.labels, outcome.right, outcome.missed, outcome.false) for outcome in found.tags] == [
        (4, 3, 1, 2),
        (1, 0, 1, 1),
    ]


TAGS_OF_OBJECTS = {0: "cat", 1: "dog"}
