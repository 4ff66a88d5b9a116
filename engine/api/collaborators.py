"""What the API needs of the engine's other parts, as the few methods that it calls."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from customization.contract import DetectedObject
from engine.blobs import Blob, NotModified
from engine.identity import Identity
from engine.learning.images import DecodedImage
from engine.objects import ObjectStore
from engine.prebuilt import PrebuiltReply
from engine.settings import Settings
from engine.store import Store


class Jobs(Protocol):
    """Where trainings, evaluations and product recognition runs are put for a worker to take; `engine.jobs.queue.JobQueue`."""

    def enqueue_training(self, model_id: str) -> object: ...

    def enqueue_evaluation(self, evaluation_id: str) -> object: ...

    def enqueue_recognition(self, run_id: str) -> object: ...


class Models(Protocol):
    """Trained models in memory; `engine.serving.ModelCache`."""

    def forget(self, model_id: str) -> None: ...

    def load(self, model_id: str) -> object:
        """Have a model in memory before it is asked. Raises `engine.serving.ModelGone`."""
        ...

    def classify(self, model_id: str, pixels: NDArray[np.uint8]) -> list[tuple[str, float]]:
        """Tags and their probabilities for `pixels` [h, w, 3], RGB. Raises `engine.serving.ModelGone`."""
        ...

    def detect(self, model_id: str, image: DecodedImage) -> list[DetectedObject]:
        """Objects with a tag each, by falling confidence, in pixels of the image as submitted. Raises `serving.ModelGone`."""
        ...


class Blobs(Protocol):
    """Reads images from allowed hosts; `engine.blobs.BlobReader`."""

    def read(self, url: str, *, max_bytes: int = ..., limit_seconds: float | None = ...) -> Blob | NotModified:
        """Raises `engine.blobs.BlobError`."""
        ...

    @property
    def identity(self) -> Identity:
        """Whose tokens are sent where a dataset says managed identity."""

    def check(self, url: str, limit_seconds: float) -> None:
        """Raises `engine.blobs.BlobError` where that identity cannot read a blob or a container."""


class Prebuilt(Protocol):
    """What answers prebuilt features; `engine.prebuilt.VisionResource`."""

    def analyze(self, query: Mapping[str, str], url: str | None, image: bytes) -> PrebuiltReply:
        """Raises `engine.prebuilt.ResourceUnavailable`."""
        ...


@dataclass(frozen=True)
class Service:
    """What the routes work with."""

    settings: Settings
    store: Store
    jobs: Jobs
    models: Models
    blobs: Blobs
    objects: ObjectStore
    prebuilt: Prebuilt | None = None
