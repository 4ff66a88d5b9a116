import json
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.customization.azurite import ACCOUNT_KEY, azurite
from tests.engine.outcomes.made import TAGS, answers, image, made_outcomes
from vision_customization.common.blob_container import open_container
from vision_customization.contract.outcomes import Confusion, Curves, OutcomeFilter
from vision_customization.engine.objects.blobs import BlobObjects
from vision_customization.engine.objects.files import FileObjects
from vision_customization.engine.objects.store import ObjectNotFound
from vision_customization.engine.outcomes.classified import classified
from vision_customization.engine.outcomes.stored import CHUNK, StoredOutcomes, put_outcomes

COUNT = 7 * CHUNK + 3
WIRES: list[dict[str, Any]] = [dict(outcome.wire) for outcome in made_outcomes(COUNT).images]


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> FileObjects:
    objects = FileObjects(tmp_path_factory.mktemp("objects"))
    put_outcomes(objects, "o", made_outcomes(COUNT))
    return objects


def concerns(wire: dict[str, Any], only: OutcomeFilter | None, tag: str | None) -> bool:
    label, answer = wire["labels"][0], wire["tags"][0]["name"]
    missed, false = (label, answer) if label != answer else (None, None)
    if tag is None:
        return only is None or (label == answer) == (only is OutcomeFilter.RIGHT)
    return {
        None: tag in (label, answer),
        OutcomeFilter.RIGHT: label == answer == tag,
        OutcomeFilter.WRONG: tag in (missed, false),
        OutcomeFilter.MISSED: tag == missed,
        OutcomeFilter.FALSE: tag == false,
    }[only]


@pytest.mark.parametrize("tag", [None, *TAGS])
@pytest.mark.parametrize("only", [None, *OutcomeFilter])
def test_a_page_has_what_the_filter_selects_in_its_order(
    objects: FileObjects, only: OutcomeFilter | None, tag: str | None
) -> None:
    stored = StoredOutcomes.open(objects, "o")
    selected = [wire for wire in WIRES if concerns(wire, only, tag)]
    assert len(selected) > 12
    for skip, top in ((0, 10), (25, 100), (len(selected) - 3, 100), (len(selected), 10)):
        count, lines = stored.page(skip, top, only, tag)
        assert count == len(selected)
        assert [json.loads(line) for line in lines] == selected[skip : skip + top]


def test_what_is_stored_says_what_it_is_of(objects: FileObjects) -> None:
    stored = StoredOutcomes.open(objects, "o")
    assert (stored.images, stored.tags, stored.likely) == (COUNT, list(TAGS), 0)
    with pytest.raises(ValueError, match="elm"):
        stored.page(0, 10, tag="elm")
    with pytest.raises(ObjectNotFound):
        StoredOutcomes.open(objects, "other")


def test_confusion_and_curves_are_as_the_contract_writes_them(objects: FileObjects) -> None:
    confusion = json.loads(objects.get("o/confusion.json"))
    assert Confusion.model_validate(confusion).to_wire() == confusion
    assert sum(cell["count"] for cell in confusion["cells"]) == confusion["images"] == COUNT
    labels, probabilities = answers(COUNT)
    wrong = (probabilities.argmax(axis=1) != labels).sum()
    assert sum(cell["count"] for cell in confusion["cells"] if cell["label"] != cell["answer"]) == wrong
    curves = json.loads(objects.get("o/curves.json"))
    assert Curves.model_validate(curves).to_wire() == curves
    assert set(curves["tags"]) == set(TAGS)


def test_the_same_outcomes_are_the_same_bytes(tmp_path: Path) -> None:
    objects = FileObjects(tmp_path)
    for key in ("a", "b"):
        put_outcomes(objects, key, made_outcomes(250, training=True))
    names = objects.names("a")
    assert names == ["answers.npz", "confusion.json", "curves.json", "index.npz", "rows"]
    for name in names:
        assert objects.get(f"a/{name}") == objects.get(f"b/{name}")
    assert StoredOutcomes.open(objects, "a").likely > 0


@pytest.mark.process
def test_outcomes_are_read_from_blobs_as_from_files(objects: FileObjects, tmp_path: Path) -> None:
    (tmp_path / "azurite").mkdir()
    with azurite(tmp_path / "azurite") as storage:
        container = open_container(storage.container("artifacts"), account_key=ACCOUNT_KEY)
        blobs = BlobObjects(container, tmp_path / "cache")
        with closing(blobs):
            put_outcomes(blobs, "o", made_outcomes(COUNT))
            for arguments in ((0, 100), (300, 5, OutcomeFilter.WRONG), (0, 100, OutcomeFilter.FALSE, "ash")):
                assert StoredOutcomes.open(blobs, "o").page(*arguments) == StoredOutcomes.open(objects, "o").page(*arguments)
            blobs.delete("o")
            with pytest.raises(ObjectNotFound):
                StoredOutcomes.open(blobs, "o")


def test_an_image_takes_little_space(objects: FileObjects) -> None:
    """A digest alone takes 32 bytes, and three probabilities with the tags in their order as many."""
    assert len(objects.get("o/rows")) / COUNT < 110
    assert len(objects.get("o/index.npz")) / COUNT < 12
    assert len(objects.get("o/answers.npz")) / COUNT < 15


def test_digests_are_those_of_the_images_whatever_a_file_is_called(tmp_path: Path) -> None:
    objects = FileObjects(tmp_path)
    labels, probabilities = answers(2 * CHUNK + 1)
    names = [image(number, f'a","digest":"{number:064}","b') for number in range(len(labels))]
    put_outcomes(objects, "o", classified(names, labels, probabilities, TAGS))
    stored = StoredOutcomes.open(objects, "o")
    found = [digest.hex() for digest in stored.digests().tolist()]
    assert found == [json.loads(line)["digest"] for line in stored.read(range(stored.images))]


def test_no_images_are_an_empty_page(tmp_path: Path) -> None:
    objects = FileObjects(tmp_path)
    put_outcomes(objects, "o", classified([], np.empty(0, np.int64), np.empty((0, 3), np.float32), TAGS))
    assert StoredOutcomes.open(objects, "o").page(0, 10) == (0, [])
    assert StoredOutcomes.open(objects, "o").page(0, 10, OutcomeFilter.RIGHT) == (0, [])


def test_outcomes_that_are_deleted_while_a_page_is_read(tmp_path: Path) -> None:
    objects = FileObjects(tmp_path)
    put_outcomes(objects, "outcomes", made_outcomes(5))
    outcomes = StoredOutcomes.open(objects, "outcomes")
    objects.delete("outcomes")
    for read in (lambda: outcomes.page(0, 5), outcomes.answers, outcomes.digests):
        with pytest.raises(ObjectNotFound, match="have just been deleted"):
            read()
