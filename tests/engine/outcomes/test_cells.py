"""Which images a cell of the confusion opens."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.engine.outcomes.made import MADE, TAGS, image, put_older
from tests.engine.outcomes.test_detected import OUTCOMES
from vision_customization.contract.confusion_matrix import Cell
from vision_customization.contract.judging import OutcomeKind
from vision_customization.contract.outcomes import Confusion, OutcomeFilter
from vision_customization.engine.objects.files import FileObjects
from vision_customization.engine.outcomes.cells import CellFilter
from vision_customization.engine.outcomes.classified import multi_classified
from vision_customization.engine.outcomes.judge import Judge
from vision_customization.engine.outcomes.questions import InvalidQuestion
from vision_customization.engine.outcomes.stored import put_outcomes

WRITERS = {"new": put_outcomes, "older": put_older}


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("kind", list(OutcomeKind))
def test_every_cell_has_the_count_of_the_confusion(kind: OutcomeKind, writer: str, tmp_path: Path) -> None:
    objects = FileObjects(tmp_path)
    WRITERS[writer](objects, "o", MADE[kind](300))
    judge = Judge(objects)
    confusion = json.loads(objects.get("o/confusion.json"))
    counts = {(cell.get("label"), cell.get("answer")): cell["count"] for cell in confusion["cells"]}
    tags = [*confusion["tags"], None]
    for label in tags:
        for answer in tags:
            if label is None and answer is None:
                continue
            cell = CellFilter(label, answer, unlabelled=label is None, unanswered=answer is None)
            listed = judge.page("o", 0, 100, cell=cell)
            assert listed.cell_count == counts.get((label, answer), 0), (label, answer)
            if kind is OutcomeKind.OBJECTS:
                assert (listed.count > 0) == (listed.cell_count > 0)
                assert listed.count <= listed.cell_count
            else:
                assert listed.count == listed.cell_count
            assert len(listed.lines) == min(100, listed.count)
            for line in listed.lines:
                assert stands_in(json.loads(line), kind, label, answer)


def stands_in(wire: dict[str, Any], kind: OutcomeKind, label: str | None, answer: str | None) -> bool:
    """What the image's own outcome must show if it stands in the cell."""
    if kind is OutcomeKind.ONE_TAG:
        return (wire["labels"][0], wire["tags"][0]["name"]) == (label, answer)
    if kind is OutcomeKind.SEVERAL_TAGS:
        found = {tag["name"] for tag in wire["tags"] if tag["confidence"] >= tag["threshold"]}
        has = (label or answer) in wire["labels"], (answer or label) in found
        return has == (label is not None, answer is not None)
    right = Counter(item["tag"] for item in wire["objects"] if item["right"])
    false = Counter(item["tag"] for item in wire["objects"] if not item["right"])
    missed = Counter(item["tag"] for item in wire["missed"])
    if label == answer:
        return right[label] > 0
    return (label is None or missed[label] > 0) and (answer is None or false[answer] > 0)


@pytest.mark.parametrize(
    ("cell", "images", "cell_count"),
    [
        # Image 0: a cat is found, a dog taken for a cat, and a dog seen where nothing is. 1: a cat is missed. 3: two cats are
        # found, one of them twice.
        (CellFilter("cat", "cat"), [0, 3], 3),
        (CellFilter("dog", "cat"), [0], 1),
        (CellFilter("cat", "dog"), [], 0),
        (CellFilter("cat", unanswered=True), [1], 1),
        (CellFilter("dog", unanswered=True), [], 0),
        (CellFilter(answer="dog", unlabelled=True), [0], 1),
        (CellFilter(answer="cat", unlabelled=True), [3], 1),
        (CellFilter("cat"), [0, 1, 3], 4),
        (CellFilter("dog"), [0], 1),
        (CellFilter(answer="cat"), [0, 3], 5),
        (CellFilter(unlabelled=True), [0, 3], 2),
        (CellFilter(unanswered=True), [1], 1),
    ],
)
def test_cells_of_a_detector_count_objects(cell: CellFilter, images: list[int], cell_count: int, tmp_path: Path) -> None:
    objects = FileObjects(tmp_path)
    put_outcomes(objects, "o", OUTCOMES)
    listed = Judge(objects).page("o", 0, 10, cell=cell)
    found = [json.loads(line)["image"] for line in listed.lines]
    assert sorted(found) == [image(number).url for number in images]
    assert (listed.count, listed.cell_count) == (len(images), cell_count)


def test_a_cell_of_two_different_tags_is_empty_for_several_tags_per_image(tmp_path: Path) -> None:
    objects = FileObjects(tmp_path)
    probabilities = np.array([[0.9, 0.1, 0.8]], np.float32)
    made = multi_classified([image(0)], np.array([[True, True, False]]), probabilities, [0.5] * 3, TAGS)
    put_outcomes(objects, "o", made)
    judge = Judge(objects)
    table = {("ash", "ash"): 1, ("beech", None): 1, (None, "öak"): 1, ("beech", "öak"): 0, ("ash", None): 0}
    for (label, answer), count in table.items():
        cell = CellFilter(label, answer, unlabelled=label is None, unanswered=answer is None)
        listed = judge.page("o", 0, 10, cell=cell)
        assert (listed.count, listed.cell_count) == (count, count)


def test_filters_select_the_images_of_all(tmp_path: Path) -> None:
    objects = FileObjects(tmp_path)
    put_outcomes(objects, "o", OUTCOMES)
    judge = Judge(objects)
    assert judge.page("o", 0, 10, OutcomeFilter.FALSE, "dog", CellFilter("cat", "cat")).count == 1
    assert judge.page("o", 0, 10, OutcomeFilter.RIGHT, None, CellFilter("cat", "cat")).count == 0


@pytest.mark.parametrize(
    ("cell", "target", "said"),
    [
        (CellFilter("elm"), "label", "The model has no tag 'elm'. Choose one of its 2: 'cat', 'dog'."),
        (CellFilter(answer="elm"), "answer", "The model has no tag 'elm'"),
        (CellFilter("cat", unlabelled=True), "label", "either has no label or the label 'cat'"),
        (CellFilter(answer="cat", unanswered=True), "answer", "either has no answer or the answer 'cat'"),
        (CellFilter(unlabelled=True, unanswered=True), "unlabelled", "without a label and without an answer"),
    ],
)
def test_a_cell_that_does_not_exist_is_refused(cell: CellFilter, target: str, said: str, tmp_path: Path) -> None:
    objects = FileObjects(tmp_path)
    put_outcomes(objects, "o", OUTCOMES)
    with pytest.raises(InvalidQuestion, match=said) as caught:
        Judge(objects).page("o", 0, 10, cell=cell)
    assert caught.value.target == target


@pytest.mark.parametrize("kind", list(OutcomeKind))
def test_the_confusion_is_the_same_from_the_arrays(kind: OutcomeKind, tmp_path: Path) -> None:
    objects = FileObjects(tmp_path)
    put_outcomes(objects, "o", MADE[kind](200))
    found = Judge(objects).confusion("o")
    stored = Confusion.model_validate_json(objects.get("o/confusion.json"))
    assert (found.images, list(found.tags), found.threshold) == (stored.images, stored.tags, stored.threshold)
    assert list(found.cells) == [Cell(cell.label, cell.answer, cell.count) for cell in stored.cells]
