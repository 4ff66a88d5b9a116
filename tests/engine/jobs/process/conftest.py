"""The store and the queue of an engine without a worker, whose `settings` each module chooses."""

from collections.abc import Iterator

import pytest

from vision_customization.engine.jobs.queue import JobQueue
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import Store


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    store = Store.open(settings)
    yield store
    store.close()


@pytest.fixture
def queue(settings: Settings) -> Iterator[JobQueue]:
    with JobQueue(settings) as queue:
        yield queue
