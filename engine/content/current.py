"""The content index to show of a dataset."""

from typing import Protocol

from vision_customization.engine.store import ContentIndexRecord, Store


class IndexQueue(Protocol):
    """Queues content indexes for the workers; `engine.jobs.queue.JobQueue`."""

    def enqueue_index(self, index_id: str) -> object: ...


class Service(Protocol):
    """The parts of the engine that a look needs."""

    @property
    def store(self) -> Store: ...

    @property
    def jobs(self) -> IndexQueue: ...


def content_of(service: Service, dataset_name: str) -> ContentIndexRecord:
    """The newest content index of a dataset that is ready, else the newest one.

    Never reads a file. At the first look, and if the dataset's eTag has changed, it queues a new index; a look at one that is
    older than a minute makes a worker compare it with the annotation files. Its `successor` is a newer index that is not ready.

    Raises NotFound for the dataset.
    """
    record, created = service.store.content.look(dataset_name)
    if created is not None:
        # If this fails, the workers find the index and queue it themselves.
        service.jobs.enqueue_index(created)
    return record
