"""An engine whose blobs lie on the loopback interface, with a worker in this process."""

from collections.abc import Iterator

import pytest

from tests.engine.jobs.blob_server import BlobServer, serving_blobs
from tests.engine.jobs.drawn import CheapExtractor, Engine, Gate
from vision_customization.engine.jobs.process.worker import Worker
from vision_customization.engine.jobs.queue import JobQueue
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import Store


@pytest.fixture(scope="module")
def blob_server() -> Iterator[BlobServer]:
    with serving_blobs() as server:
        yield server


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory, blob_server: BlobServer) -> Iterator[Engine]:
    data_dir = tmp_path_factory.mktemp("engine")
    settings = Settings(data_dir=data_dir, allowed_hosts=(blob_server.netloc,), threads=2, workers=1)
    store = Store.open(settings)
    yield Engine(settings, store, blob_server)
    store.close()


@pytest.fixture(scope="module")
def queue(engine: Engine) -> Iterator[JobQueue]:
    with JobQueue(engine.settings) as queue:
        yield queue


@pytest.fixture(scope="module")
def gate() -> Gate:
    return Gate()


@pytest.fixture(scope="module")
def extractor(gate: Gate) -> CheapExtractor:
    return CheapExtractor(before=lambda _images: gate.passed())


@pytest.fixture(scope="module")
def worker(engine: Engine, extractor: CheapExtractor, gate: Gate) -> Iterator[Worker]:
    """Looks after its jobs when a test says so."""
    worker = Worker(engine.settings, extractor, pauses_seconds=(0.01,) * 7, thumbnails=True)
    worker.start()
    yield worker
    gate.open()
    worker.stop()
