"""Data that a job derives from images, stored by their SHA-256 so that it can resume where it stopped."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vision_customization.engine.store.speeds import Work


class Keeping(Protocol):
    @property
    def detail(self) -> int:
        """The detail needed of an image, as in `engine.learning.decode_image`: a detector's `tiles`, else 1."""
        ...

    @property
    def measures(self) -> Work | None:
        """Whose seconds of the engine's speed the images measure, if any."""
        ...

    @property
    def outdated(self) -> int:
        """How many of the images added so far had data that another version or another set of networks had derived."""
        ...

    def has(self, sha256: str) -> bool:
        """Whether the image's data is stored, so that the image need not be read again."""
        ...

    def add(self, images: Mapping[str, NDArray[np.uint8]]) -> int:
        """Store the data of these images, uint8 [h, w, 3], RGB. Returns how many were not stored before."""
        ...
