"""A training whose objects are blobs of a real Azurite, as where many machines share no disk."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.customization.azurite import ACCOUNT_KEY, azurite
from tests.engine.jobs.drawn import CheapExtractor, Engine
from tests.support.waiting import wait_until
from vision_customization.common.blob_container import open_container
from vision_customization.contract.enums import ModelStatus
from vision_customization.engine.jobs.process.worker import Worker
from vision_customization.engine.jobs.queue import JobQueue
from vision_customization.engine.objects.blobs import BlobObjects
from vision_customization.engine.objects.store import ObjectStore

pytestmark = [pytest.mark.alone, pytest.mark.process]


@pytest.fixture(scope="module")
def container(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with azurite(tmp_path_factory.mktemp("azurite")) as storage:
        yield storage.container("artifacts")


def opened(container: str, cache: Path) -> ObjectStore:
    return BlobObjects(open_container(container, account_key=ACCOUNT_KEY), cache)


def test_a_training_keeps_all_it_needs_in_the_container(
    engine: Engine,
    queue: JobQueue,
    extractor: CheapExtractor,
    container: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "vision_customization.engine.jobs.process.worker.open_objects", lambda _settings: opened(container, tmp_path / "worker")
    )
    elsewhere = opened(container, tmp_path / "api")
    engine.dataset("train", {"red": 20, "green": 20})
    worker = Worker(engine.settings, extractor, pauses_seconds=(0.01,) * 7)
    worker.start()
    try:
        for name, embedded in (("first", 40), ("second", 0)):
            model = engine.model(name, "train")
            queue.enqueue_training(model.id)
            wait_until(lambda model_id=model.id: engine.store.models.by_id(model_id).status.final, "the training ends")
            model = engine.store.models.by_id(model.id)
            assert model.status is ModelStatus.SUCCEEDED, model.error
            assert model.progress is not None
            assert model.progress.images_embedded == embedded
        wait_until(lambda: not elsewhere.names("jobs"), "the jobs' files are deleted")
    finally:
        worker.stop()
    assert model.artifact is not None
    assert elsewhere.path(f"models/{model.id}/model.onnx").stat().st_size == model.artifact.size_bytes
    assert elsewhere.names("features/cheap")
    assert not (engine.settings.data_dir / "objects").exists()
    elsewhere.close()
