import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vision_customization.engine.learning import FeatureExtractor


@pytest.fixture(scope="session")
def extractor(weights_dir: Path) -> FeatureExtractor:
    return FeatureExtractor(weights_dir)


@pytest.fixture
def encode() -> Callable[..., bytes]:
    def to_bytes(image: Image.Image, format_name: str, **options: object) -> bytes:
        target = io.BytesIO()
        image.save(target, format_name, **options)
        return target.getvalue()

    return to_bytes


@pytest.fixture
def photo() -> Image.Image:
    """A picture with structure: gradients and a bright square left of the middle. 120 × 80."""
    y, x = np.mgrid[0:80, 0:120]
    pixels = np.stack([x * 2, y * 3, (x + y)], axis=-1).astype(np.uint8)
    pixels[20:50, 20:50] = 250
    return Image.fromarray(pixels)
