"""An engine to train with: its settings and store, datasets of drawn images, and an extractor that costs nothing."""

import io
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import SecretStr

from tests.engine.jobs.blob_server import BlobServer
from vision_customization.contract.enums import AnnotationKind, AuthenticationKind, ModelKind
from vision_customization.engine.learning.classification.views import DIMENSIONS
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import ModelRecord, Store, TrainingOrder


def drawn_image(tag: int, seed: int, side: int = 96) -> bytes:
    """A PNG that a tag can be told from: stripes of a direction and a colour for each, with noise of their own."""
    random = np.random.default_rng([tag, seed])
    y, x = np.mgrid[0:side, 0:side]
    angle = tag * np.pi / 4 + random.normal(0, 0.05)
    wave = np.sin((x * np.cos(angle) + y * np.sin(angle)) * (0.25 + 0.02 * random.random()) + random.random() * 6)
    colour = np.array([[220, 60, 50], [50, 190, 80], [60, 90, 220], [210, 200, 60]])[tag % 4]
    pixels = 110 + 60 * wave[..., None] * (colour / 255) + random.normal(0, 12, (side, side, 3))
    return encoded(np.clip(pixels, 0, 255).astype(np.uint8))


def draw_photos(folder: Path, tags: Sequence[str], count: int) -> None:
    """A folder per tag, with so many drawn images."""
    for number, tag in enumerate(tags):
        (folder / tag).mkdir(parents=True)
        for seed in range(count):
            (folder / tag / f"{tag}{seed}.png").write_bytes(drawn_image(number, seed))


def encoded(pixels: NDArray[np.uint8], kind: str = "PNG") -> bytes:
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, kind)
    return target.getvalue()


def coco(images: Sequence[tuple[str, str]], tags: Sequence[str], side: int = 96) -> bytes:
    """A COCO file of (URL, tag) pairs."""
    number = {tag: index + 1 for index, tag in enumerate(tags)}
    document = {
        "images": [
            {"id": index, "width": side, "height": side, "file_name": f"{index}.png", "absolute_url": url}
            for index, (url, _) in enumerate(images, 1)
        ],
        "annotations": [
            {"id": index, "image_id": index, "category_id": number[tag]} for index, (_, tag) in enumerate(images, 1)
        ],
        "categories": [{"id": id_, "name": tag} for tag, id_ in number.items()],
    }
    return json.dumps(document).encode()


@dataclass
class Engine:
    """An engine's store and settings, and the blobs that it reads."""

    settings: Settings
    store: Store
    blobs: BlobServer

    def dataset(
        self,
        name: str,
        counts: Mapping[str, int],
        *,
        first_seed: int = 0,
        kind: AnnotationKind = AnnotationKind.IMAGE_CLASSIFICATION,
    ) -> list[str]:
        """Register a dataset of drawn images, so many of each tag; the URLs of its images."""
        images = []
        for tag, (tag_name, count) in enumerate(counts.items()):
            for index in range(count):
                url = self.blobs.put(f"/account/{name}/{tag_name}-{index}.png", drawn_image(tag, first_seed + index))
                images.append((url, tag_name))
        self.annotate(name, images, list(counts))
        return [url for url, _ in images]

    def annotate(
        self,
        name: str,
        images: Sequence[tuple[str, str]],
        tags: Sequence[str],
        *,
        kind: AnnotationKind = AnnotationKind.IMAGE_CLASSIFICATION,
        sas: SecretStr | None = None,
    ) -> None:
        self.register(name, [self.blobs.put(f"/account/{name}/annotations.json", coco(images, tags))], kind=kind, sas=sas)

    def register(
        self,
        name: str,
        uris: Sequence[str],
        *,
        kind: AnnotationKind = AnnotationKind.IMAGE_CLASSIFICATION,
        sas: SecretStr | None = None,
    ) -> None:
        authentication = None if sas is None else AuthenticationKind.SAS
        self.store.datasets.create(name, kind, uris, authentication_kind=authentication, sas_token=sas)

    def model(
        self,
        name: str,
        dataset: str,
        *,
        test: str | None = None,
        kind: ModelKind = ModelKind.GENERIC_CLASSIFIER,
        hours: int = 1,
        tiles: int = 1,
    ) -> ModelRecord:
        return self.store.models.create(
            name,
            TrainingOrder(
                training_dataset_name=dataset, time_budget_in_hours=hours, model_kind=kind, test_dataset_name=test, tiles=tiles
            ),
        )


@dataclass
class CheapExtractor:
    """Features of the length that learning expects, from the image's colours. `before` is called with each batch."""

    key: str = "cheap"
    dimensions: int = DIMENSIONS
    extracted: int = 0
    before: Callable[[int], None] = lambda _images: None
    _projection: NDArray[np.float32] = field(
        default_factory=lambda: np.random.default_rng(0).normal(size=(48, DIMENSIONS)).astype(np.float32)
    )

    def extract(self, images: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
        self.before(len(images))
        self.extracted += len(images)
        return [self._features(pixels) for pixels in images]

    def _features(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        small = np.asarray(Image.fromarray(pixels).resize((4, 4), Image.Resampling.BOX), np.float32).ravel() / 255
        return np.abs(small @ self._projection)


class Gate:
    """Holds all who pass, from when it is shut until it is opened, or for so many seconds."""

    def __init__(self, seconds: float = 30) -> None:
        self._seconds = seconds
        self._open = threading.Event()
        self._open.set()
        self.reached = threading.Event()

    def shut(self) -> None:
        self.reached.clear()
        self._open.clear()

    def open(self) -> None:
        self._open.set()

    def passed(self) -> None:
        if not self._open.is_set():
            self.reached.set()
            self._open.wait(self._seconds)
