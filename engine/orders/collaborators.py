"""Protocols of the engine's other parts, as far as orders need them. `engine.api.collaborators.Service` has all of them."""

from typing import Protocol

from vision_customization.engine.objects.store import ObjectStore
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import Store


class Jobs(Protocol):
    """Queues trainings, evaluations, product recognition and batch prediction runs, content indexes and inspections for the
    workers; `engine.jobs.queue.JobQueue`."""

    def enqueue_training(self, model_id: str) -> object: ...

    def enqueue_evaluation(self, evaluation_id: str) -> object: ...

    def enqueue_recognition(self, run_id: str) -> object: ...

    def enqueue_batch_prediction(self, run_id: str) -> object: ...

    def enqueue_index(self, index_id: str) -> object: ...

    def enqueue_inspection(self, inspection_id: str) -> object: ...


class LoadedModels(Protocol):
    """Trained models in memory; `vision_customization.engine.models.cache.ModelCache`."""

    def forget(self, model_id: str) -> None: ...


class Collaborators(Protocol):
    """Everything that an order touches."""

    @property
    def settings(self) -> Settings: ...

    @property
    def store(self) -> Store: ...

    @property
    def jobs(self) -> Jobs: ...

    @property
    def models(self) -> LoadedModels: ...

    @property
    def objects(self) -> ObjectStore: ...
