"""Whatever is killed when: a whole model, or none."""

import hashlib
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from tests.support.exported_model import Exported
from vision_customization.engine.learning import Classifier, ClassifierSession, export_classifier
from vision_customization.engine.learning.classification.serving import SharedClassifier
from vision_customization.engine.models.cache import ModelCache
from vision_customization.engine.models.importing import import_model, sweep_imports
from vision_customization.engine.objects.files import FileObjects
from vision_customization.engine.objects.keys import head_key, own_networks_key
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import AlreadyExists, ModelRecord, Store


class Killed(BaseException):
    """The process ends here."""


class DyingObjects(FileObjects):
    """Dies before the `puts`-th object is written."""

    def __init__(self, root: Path, puts: int) -> None:
        super().__init__(root)
        self.puts = puts

    def put(self, key: str, data: bytes, *, durable: bool = True) -> None:
        self.puts -= 1
        if self.puts < 0:
            raise Killed
        super().put(key, data, durable=durable)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store.open(Settings(data_dir=tmp_path, keys=("k",)))) as store:
        yield store


def imported(
    store: Store, objects: FileObjects, exported: Exported, name: str = "m", weights_dir: Path = Path("no-weights")
) -> ModelRecord:
    return import_model(store, objects, name, exported.onnx, exported.digest, exported.metadata, weights_dir=weights_dir)


def in_two_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    later = time.time() + 7200
    monkeypatch.setattr(time, "time", lambda: later)


def test_what_is_evaluated_is_what_the_file_holds(store: Store, tmp_path: Path, exported: Exported) -> None:
    objects = FileObjects(tmp_path / "objects")
    record = imported(store, objects, exported)
    assert Classifier.from_npz(objects.get(head_key(record.id))).to_npz() == exported.classifier.to_npz()


def test_a_model_of_several_tags_keeps_its_thresholds(
    store: Store, tmp_path: Path, exported: Exported, weights_dir: Path
) -> None:
    classifier = replace(exported.classifier, thresholds=(0.25, 0.75))
    data = export_classifier(classifier, weights_dir)
    digest = hashlib.sha256(data).hexdigest()
    metadata = {**exported.metadata, "artifact": {"digest": digest, "sizeBytes": len(data)}}
    metadata["performance"] = {"meanAveragePrecision": 0.75, "macroF1": 0.5}
    objects = FileObjects(tmp_path / "objects")
    record = import_model(store, objects, "m", data, digest, metadata, weights_dir=weights_dir)
    assert Classifier.from_npz(objects.get(head_key(record.id))).to_npz() == classifier.to_npz()
    assert record.performance is not None
    assert record.performance.to_wire() == {**metadata["performance"], "tagPerformance": {}}


@pytest.mark.parametrize("puts", range(6))
def test_a_killed_import_leaves_nothing_for_long(
    store: Store, tmp_path: Path, exported: Exported, puts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before its first object, …, and after the last but before its row."""
    objects = DyingObjects(tmp_path / "objects", puts)
    monkeypatch.setattr(store.models, "import_trained", die)
    with pytest.raises(Killed):
        imported(store, objects, exported)
    sweep_imports(store, objects)
    assert len(objects.names("imports")) == (puts > 0), "for all the sweep knows, it still goes on"
    assert store.models.page(0, 1) == []
    in_two_hours(monkeypatch)
    sweep_imports(store, objects)
    assert objects.names("imports") == objects.names("models") == []


def die(*_: object, **__: object) -> None:
    raise Killed


def test_a_model_whose_import_was_killed_after_its_row_stays(
    store: Store, tmp_path: Path, exported: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = FileObjects(tmp_path / "objects")
    monkeypatch.setattr(objects, "delete", die)
    with pytest.raises(Killed):
        imported(store, objects, exported)
    monkeypatch.undo()
    in_two_hours(monkeypatch)
    sweep_imports(store, objects)
    assert objects.names("imports") == []
    assert objects.names("models") == [store.models.find("m").id]


def test_a_name_that_is_taken_costs_no_space(store: Store, tmp_path: Path, exported: Exported) -> None:
    objects = FileObjects(tmp_path / "objects")
    imported(store, objects, exported)
    with pytest.raises(AlreadyExists):
        imported(store, objects, exported)
    assert objects.names("models") == [store.models.find("m").id]
    assert objects.names("imports") == []


def test_only_a_file_with_this_engines_networks_shares_them(
    store: Store, tmp_path: Path, exported: Exported, weights_dir: Path
) -> None:
    objects = FileObjects(tmp_path / "objects")
    same = imported(store, objects, exported, "same", weights_dir)
    assert not objects.exists(own_networks_key(same.id))
    model = onnx.ModelProto.FromString(exported.onnx)
    weights = next(tensor for tensor in model.graph.initializer if tensor.name.startswith("lite0/") and len(tensor.dims) == 4)
    weights.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weights) * np.float32(1.5), weights.name))
    data = model.SerializeToString()
    digest = hashlib.sha256(data).hexdigest()
    metadata = {**exported.metadata, "artifact": {"digest": digest, "sizeBytes": len(data)}}
    other = import_model(store, objects, "other", data, digest, metadata, weights_dir=weights_dir)
    lacking = imported(store, objects, exported, "lacking", tmp_path)
    assert all(objects.exists(own_networks_key(record.id)) for record in (other, lacking))
    pixels = np.random.default_rng(0).integers(0, 255, (90, 120, 3), np.uint8)
    cache = ModelCache(Settings(data_dir=tmp_path, weights_dir=weights_dir), objects)
    for record, file, shares in ((same, exported.onnx, True), (other, data, False), (lacking, exported.onnx, False)):
        expected, _ = ClassifierSession(file).classify(pixels)
        session = cache.load(record.id)
        assert isinstance(session, SharedClassifier if shares else ClassifierSession)
        found = {tag.name: tag.probability for tag in cache.classify(record.id, pixels).tags}
        assert [found[tag] for tag in exported.metadata["labels"]] == pytest.approx(list(expected), abs=1e-5)
