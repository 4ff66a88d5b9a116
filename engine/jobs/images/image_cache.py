"""What a job needs of images, kept by their SHA-256 so that it can go on where it stopped."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Keeping(Protocol):
    @property
    def detail(self) -> int:
        """How much is needed of an image, as in `engine.learning.decode_image`: a detector's `tiles`, else 1."""
        ...

    def has(self, sha256: str) -> bool:
        """Whether the image need not be read again."""
        ...

    def add(self, images: Mapping[str, NDArray[np.uint8]]) -> int:
        """Keep it of images, uint8 [h, w, 3], RGB; of how many there was nothing yet."""
        ...
