import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.support.places import LABELLED_DATA
from vision_customization.engine.learning import FeatureExtractor
from vision_customization.engine.learning.classification.views import DIMENSIONS


@pytest.fixture(scope="session")
def extractor(weights_dir: Path) -> FeatureExtractor:
    return FeatureExtractor(weights_dir)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    folder = LABELLED_DATA
    if not folder.is_dir():
        pytest.skip(f"the labelled datasets are not at {folder}")
    return folder


MakeFeatures = Callable[..., tuple[NDArray[np.float32], NDArray[np.int64]]]


@pytest.fixture
def make_features() -> MakeFeatures:
    """Features of `counts[i]` images of tag i: a direction of its own for each tag, and noise."""

    def make(counts: list[int], *, noise: float = 1.0, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        random = np.random.default_rng(seed)
        labels = np.repeat(np.arange(len(counts)), counts)
        centres = random.standard_normal((len(counts), DIMENSIONS)).astype(np.float32)
        features = centres[labels] + noise * random.standard_normal((len(labels), DIMENSIONS)).astype(np.float32)
        return np.abs(features), labels

    return make


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
