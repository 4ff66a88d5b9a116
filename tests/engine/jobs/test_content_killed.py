"""A content index whose worker is killed while it writes: real processes, and kill -9."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine.jobs.blob_server import BlobServer
from tests.engine.jobs.drawn import coco
from tests.support.places import CHECKOUT
from tests.support.waiting import wait_until
from vision_customization.contract.enums import AnnotationKind, ContentStatus
from vision_customization.engine.content.current import content_of
from vision_customization.engine.jobs.kinds.content import contents_folder
from vision_customization.engine.jobs.queue import JobQueue
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import Store

pytestmark = [pytest.mark.alone, pytest.mark.process]

IMAGES = 6000
"""More than one batch of rows."""

PROGRAM = """
import sys, time
from pathlib import Path
from vision_customization.engine.jobs.process.worker import Worker
from vision_customization.engine.settings import Settings
from vision_customization.engine.store.content_rows import ContentWriter
from tests.engine.jobs.drawn import CheapExtractor

write = ContentWriter._write

def written(writer, batch):
    write(writer, batch)
    Path(sys.argv[1]).touch()
    time.sleep(float(sys.argv[2]))

ContentWriter._write = written
worker = Worker(Settings.from_environment(), CheapExtractor())
worker.start()
while True:
    time.sleep(0.2)
    worker.look()
"""


class Service:
    """The parts of the engine that a look needs."""

    def __init__(self, store: Store, jobs: JobQueue) -> None:
        self.store = store
        self.jobs = jobs


def test_a_killed_index_is_taken_up_by_the_next_worker_without_a_row_twice(tmp_path: Path, blob_server: BlobServer) -> None:
    settings = Settings(data_dir=tmp_path / "data", threads=1, allowed_hosts=(blob_server.netloc,))
    store = Store.open(settings)
    images = [(f"https://h/c/{number}.png", ("red", "green")[number % 2]) for number in range(IMAGES)]
    store.datasets.create(
        "d", AnnotationKind.IMAGE_CLASSIFICATION, [blob_server.put("/account/c/train.json", coco(images, ["red", "green"]))]
    )
    processes: list[subprocess.Popen[bytes]] = []

    def start(name: str, seconds: float) -> Path:
        sign = tmp_path / name
        environment = {**os.environ, **settings.to_environment(), "PYTHONPATH": f"{CHECKOUT / 'src'}{os.pathsep}{CHECKOUT}"}
        processes.append(subprocess.Popen([sys.executable, "-c", PROGRAM, str(sign), str(seconds)], env=environment))
        return sign

    try:
        with JobQueue(settings) as queue:
            begun = start("first", 600)
            service = Service(store, queue)
            index = content_of(service, "d")
            wait_until(begun.exists, "the first worker writes rows", 120)
            assert content_of(service, "d").status is ContentStatus.READING
            processes[0].kill()
            processes[0].wait()
            assert list(contents_folder(settings).iterdir()) == []
            start("second", 0)
            wait_until(lambda: content_of(service, "d").status.final, "the index ends", 120)
            record = content_of(service, "d")
        assert record.id == index.id
        assert (record.status, record.images, record.labels) == (ContentStatus.READY, IMAGES, IMAGES), record.error
        page = store.content.page(record.index, 0, 2 * IMAGES)
        assert [image.position for image in page.images] == list(range(IMAGES))
        assert store.content.page(record.index, IMAGES // 2 - 1, 9, tag="green").images[0].position == IMAGES - 1
        assert store.content.crops(record.index, "red", IMAGES // 2 - 1, 9).crops[0].position == IMAGES - 2
    finally:
        for process in processes:
            process.kill()
            process.wait()
        store.close()
