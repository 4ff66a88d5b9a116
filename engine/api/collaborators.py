"""Protocols of the engine's other parts, with the few methods that the API calls."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vision_customization.contract.analysis import DetectedObject
from vision_customization.engine.blobs.access import Reader, Spooler
from vision_customization.engine.blobs.identity import Identity
from vision_customization.engine.drafts.container import Container
from vision_customization.engine.learning.images import DecodedImage
from vision_customization.engine.models.answers import Classification
from vision_customization.engine.models.prebuilt import PrebuiltReply
from vision_customization.engine.objects.store import ObjectStore
from vision_customization.engine.orders import Jobs, LoadedModels
from vision_customization.engine.outcomes.judge import Judge
from vision_customization.engine.samples.keeping import Samples
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import Store


class Models(LoadedModels, Protocol):
    """Trained models in memory; `vision_customization.engine.models.cache.ModelCache`."""

    def load(self, model_id: str) -> object:
        """Load a model into memory before its first call. Raises `engine.models.cache.ModelGone`."""
        ...

    def classify(
        self, model_id: str, pixels: NDArray[np.uint8], *, digest: str | None = None, calls: int = 1
    ) -> Classification:
        """Tags with probabilities, and the novelty, for `pixels` [h, w, 3], RGB, of the file with this digest, while `calls`
        are in hand. Raises `engine.models.cache.ModelGone`."""
        ...

    def detect(self, model_id: str, image: DecodedImage) -> list[DetectedObject]:
        """Objects with one tag each, by falling confidence, in pixels of the submitted image. Raises `serving.ModelGone`."""
        ...


class Blobs(Reader, Spooler, Protocol):
    """Reads images from allowed hosts; `vision_customization.engine.blobs.reader.BlobReader`."""

    @property
    def identity(self) -> Identity:
        """The identity whose tokens are sent if a dataset is read by managed identity."""

    def check(self, url: str, limit_seconds: float) -> None:
        """Raises `vision_customization.engine.blobs.reader.BlobError` if that identity cannot read a blob or a container."""


class Prebuilt(Protocol):
    """Answers prebuilt features; `vision_customization.engine.models.prebuilt.VisionResource`."""

    def analyze(self, query: Mapping[str, str], url: str | None, image: bytes) -> PrebuiltReply:
        """Raises `vision_customization.engine.models.prebuilt.ResourceUnavailable`."""
        ...


@dataclass(frozen=True)
class Service:
    """Everything the routes use."""

    settings: Settings
    store: Store
    jobs: Jobs
    models: Models
    blobs: Blobs
    objects: ObjectStore
    judge: Judge
    samples: Samples
    prebuilt: Prebuilt | None = None
    studio_container: Container | None = None
