"""The real application and the real store, with a job queue, models and blobs that only remember what they were asked."""

import asyncio
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

import httpx
import numpy as np
from fastapi import FastAPI
from numpy.typing import NDArray
from PIL import Image
from pydantic import SecretStr

from vision_customization.contract.analysis import BoundingBox, DetectedObject, Tag
from vision_customization.contract.enums import AuthenticationKind, ModelKind
from vision_customization.contract.models import Artifact, ModelPerformance
from vision_customization.engine.api import create_app
from vision_customization.engine.blobs.reader import Blob, BlobError, BlobErrorKind, Spooled
from vision_customization.engine.drafts.container import Authentication
from vision_customization.engine.drafts.errors import ContainerRefuses
from vision_customization.engine.learning.images import DecodedImage
from vision_customization.engine.models.answers import Classification, TagProbability
from vision_customization.engine.objects.files import FileObjects
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import Store, TrainingOrder

KEYS = ("first-key-of-this-engine", "second-key-of-this-engine")
VERSION = "2023-04-01-preview"


@dataclass
class RecordedJobs:
    """A queue without workers."""

    trainings: list[str] = field(default_factory=list)
    evaluations: list[str] = field(default_factory=list)
    recognitions: list[str] = field(default_factory=list)
    batch_predictions: list[str] = field(default_factory=list)
    indexes: list[str] = field(default_factory=list)
    inspections: list[str] = field(default_factory=list)
    broken: bool = False

    def enqueue_training(self, model_id: str) -> None:
        if self.broken:
            raise RuntimeError("no queue, with sig=Secret in its text")
        self.trainings.append(model_id)

    def enqueue_evaluation(self, evaluation_id: str) -> None:
        if self.broken:
            raise RuntimeError("no queue")
        self.evaluations.append(evaluation_id)

    def enqueue_inspection(self, inspection_id: str) -> None:
        if self.broken:
            raise RuntimeError("no queue")
        self.inspections.append(inspection_id)

    def enqueue_recognition(self, run_id: str) -> None:
        if self.broken:
            raise RuntimeError("no queue")
        self.recognitions.append(run_id)

    def enqueue_batch_prediction(self, run_id: str) -> None:
        if self.broken:
            raise RuntimeError("no queue")
        self.batch_predictions.append(run_id)

    def enqueue_index(self, index_id: str) -> None:
        if self.broken:
            raise RuntimeError("no queue")
        self.indexes.append(index_id)


@dataclass
class FixedModels:
    """Every model gives the same answer, the least probable tag first."""

    asked: list[tuple[str, tuple[int, ...]]] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    novelty: float | None = None

    def classify(self, model_id: str, pixels: NDArray[np.uint8], **_: object) -> Classification:
        assert pixels.dtype == np.uint8
        self.asked.append((model_id, pixels.shape))
        tags = [TagProbability(*found) for found in (("cat", 0.125), ("dög", 0.625), ("cow", 0.25))]
        return Classification(tags, self.novelty)

    def detect(self, model_id: str, image: DecodedImage) -> list[DetectedObject]:
        self.asked.append((model_id, image.pixels.shape))
        box = BoundingBox(x=1, y=2, w=image.width // 2, h=image.height // 2)
        return [DetectedObject(id="1", bounding_box=box, tags=[Tag(name="dög", confidence=0.625)])]

    def forget(self, model_id: str) -> None:
        self.forgotten.append(model_id)

    def load(self, model_id: str) -> None:
        self.loaded.append(model_id)


@dataclass
class FixedIdentity:
    """An identity of Azure."""

    client_id: str | None = "7d1c3c0e"

    def token(self, scope: str) -> str | None:
        return f"token-for-{scope}"


@dataclass
class FixedBlobs:
    """Has blobs at a few addresses, some of which the engine's identity cannot read; `code` is what storage says of it."""

    content: dict[str, bytes] = field(default_factory=dict)
    denied: dict[str, BlobErrorKind] = field(default_factory=dict)
    code: str | None = None
    identity: FixedIdentity = field(default_factory=FixedIdentity)
    before_reply: Callable[[], object] = lambda: None

    def read(self, url: str, *, max_bytes: int = 0, limit_seconds: float | None = None, **_: object) -> Blob:
        assert limit_seconds is not None
        self.before_reply()
        if url not in self.content:
            raise BlobError(BlobErrorKind.NOT_ALLOWED, f"{url.partition('?')[0]} is not on an allowed host.")
        assert max_bytes >= 20_971_520
        return Blob(self.content[url], None)

    def spool(self, url: str, target: BinaryIO, **named: Any) -> Spooled:  # noqa: ANN401
        blob = self.read(url, **named)
        target.write(blob.data)
        return Spooled(sha256(blob.data).hexdigest(), len(blob.data), None)

    def check(self, url: str, limit_seconds: float) -> None:
        if url in self.denied:
            raise BlobError(self.denied[url], f"{url} may not be read.", self.code)
        if url not in self.content:
            raise BlobError(BlobErrorKind.NOT_ALLOWED, f"{url.partition('?')[0]} is not on an allowed host.")


@dataclass
class RecordedContainer:
    """The container of the Studio, in memory; `refusing` is why it takes nothing."""

    url: str = "https://account.blob.core.windows.net/training"
    authentication: Authentication = (AuthenticationKind.SAS, SecretStr("sv=1&sp=rcl&sig=SECRET"))
    blobs: dict[str, bytes] = field(default_factory=dict)
    refusing: str = ""

    def write(self, name: str, data: bytes | BinaryIO, content_type: str) -> bool:
        assert content_type
        if self.refusing:
            raise ContainerRefuses(self.refusing)
        if name in self.blobs:
            return False
        self.blobs[name] = data if isinstance(data, bytes) else data.read()
        return True


class Caller:
    """Calls an application in this process, as one client with a key."""

    def __init__(self, app: FastAPI, base: str = "http://engine.test:8080") -> None:
        self.app = app
        self._base = base

    def __call__(
        self,
        method: str,
        path: str,
        *,
        version: str | None = VERSION,
        key: str | None = KEYS[0],
        headers: dict[str, str] | None = None,
        **arguments: Any,  # noqa: ANN401 - handed on
    ) -> httpx.Response:
        """`path` is below /computervision unless it starts with a slash or is a URL."""
        url = path if path.startswith(("/", "http://")) else f"/computervision/{path}"
        if version is not None:
            url += ("&" if "?" in url else "?") + f"api-version={version}"
        sent = {**({"Ocp-Apim-Subscription-Key": key} if key is not None else {}), **(headers or {})}

        async def call() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url=self._base, trust_env=False) as client:
                return await client.request(method, url, headers=sent, **arguments)

        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(call())
        with ThreadPoolExecutor(1) as thread:  # in a browser test: Playwright's loop runs in this thread
            return thread.submit(asyncio.run, call()).result()


@dataclass
class World:
    """Everything an API test touches."""

    settings: Settings
    store: Store
    jobs: RecordedJobs
    models: FixedModels
    blobs: FixedBlobs
    objects: FileObjects
    call: Caller
    container: RecordedContainer

    @property
    def shelf_image(self) -> bytes:
        return image_bytes()

    def register(self, name: str = "cats", **changes: object) -> httpx.Response:
        body = {
            "annotationKind": "imageClassification",
            "annotationFileUris": ["https://acct.blob.core.windows.net/c/train.json"],
            **changes,
        }
        return self.call("PUT", f"datasets/{name}", json={key: value for key, value in body.items() if value is not None})

    def create(self, name: str = "m", **parameters: object) -> httpx.Response:
        training = {"trainingDatasetName": "cats", "timeBudgetInHours": 1, "modelKind": "Generic-Classifier", **parameters}
        return self.call("PUT", f"models/{name}", json={"trainingParameters": training})

    def train(self, name: str = "m") -> str:
        """Add a model that has succeeded, with its artifact. Returns its id."""
        assert self.create(name).status_code == 201
        return self.succeed(self.store.models.find(name).id)

    def train_detector(self, name: str = "r", kind: ModelKind = ModelKind.PRODUCT_RECOGNIZER, tiles: int = 1) -> str:
        """Like `train`, for a kind that finds objects."""
        record = self.store.models.create(
            name, TrainingOrder(training_dataset_name="shelves", time_budget_in_hours=1, model_kind=kind, tiles=tiles)
        )
        return self.succeed(record.id)

    def succeed(self, model_id: str, performance: ModelPerformance | None = None) -> str:
        """End a training with a model. Returns its id."""
        self.store.models.begin(model_id)
        self.objects.put(f"models/{model_id}/model.onnx", b"onnx")
        self.objects.put(f"models/{model_id}/model.json", b'{"labels":["cat"]}')
        self.store.models.finish(
            model_id,
            performance or ModelPerformance(accuracy_top1=0.5, tag_performance={"cat": {"accuracy": 1.0}}),
            1,
            Artifact(digest="ab" * 32, size_bytes=4),
        )
        return model_id


def build(settings: Settings, store: Store, **arguments: Any) -> World:  # noqa: ANN401 - handed on
    jobs, models, blobs, objects = RecordedJobs(), FixedModels(), FixedBlobs(), FileObjects(settings.data_dir / "objects")
    container = RecordedContainer()
    options = {"studio_container": container, **arguments}
    app = create_app(settings, store, jobs, models, blobs, objects, **options)
    return World(settings, store, jobs, models, blobs, objects, Caller(app), container)


def image_bytes(kind: str = "PNG", size: tuple[int, int] = (60, 80), **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (200, 30, 30)).save(buffer, kind, **options)
    return buffer.getvalue()


BuildWorld = Callable[..., World]
"""The type of `build_world`, which builds an application with other settings on the same store."""
BuildAnyWorld = Callable[[Path], World]
Picture = Callable[..., bytes]
