"""The resources that all jobs of a worker share."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vision_customization.engine.blobs.reader import BlobReader
from vision_customization.engine.jobs.images.kept_features import KeptFeatures
from vision_customization.engine.jobs.images.shared_clock import SharedClock
from vision_customization.engine.objects.store import ObjectStore
from vision_customization.engine.store import Store
from vision_customization.engine.views.kept_thumbnails import KeptThumbnails


class Extractor(Protocol):
    """Turns pixels into features: `learning.FeatureExtractor`."""

    @property
    def key(self) -> str: ...

    @property
    def dimensions(self) -> int: ...

    def extract(self, images: Sequence[NDArray[np.uint8]]) -> Sequence[NDArray[np.float32]]: ...


@dataclass(frozen=True)
class Resources:
    store: Store
    objects: ObjectStore
    reader: BlobReader
    extractor: Extractor
    kept: KeptFeatures
    decoders: int
    workers: int = 1
    """How many workers share the machine's memory."""
    thumbnails: KeptThumbnails | None = None
    """Where jobs store thumbnails of the images that they decode, for people to look at; None if nobody does."""
    folder: Path | None = None
    """For temporary files, which have no name; None for the system's folder."""
    withdrawn: Callable[[], bool] = lambda: False
    """Whether the workflow of the calling thread was withdrawn, and should stop."""
    cores: threading.Lock = field(default_factory=threading.Lock)
    """Held while a shard computes. Each computes with all threads, so two at once would only need more memory."""
    clock: SharedClock = field(default_factory=SharedClock)
    """Measures what each of the shards that run at once takes."""
