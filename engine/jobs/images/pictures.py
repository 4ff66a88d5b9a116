"""What a detector's jobs keep of images: pictures to learn from, and what was found in them."""

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vision_customization.contract.errors import FailureCode
from vision_customization.engine.jobs.errors import JobFailed
from vision_customization.engine.jobs.images.shards import LOST
from vision_customization.engine.learning.boxes import Detections
from vision_customization.engine.learning.detection.artifact import DetectorSession
from vision_customization.engine.objects.keys import job_key
from vision_customization.engine.objects.store import ObjectNotFound, ObjectStore
from vision_customization.engine.runtime.time_limit import TimeLimitExceeded, within

DETECT_SECONDS_MAX = 600.0
"""For one image, in a worker: it has the lowest priority, so this ends only what would never end."""

PICTURE_SIDE = 640
"""A picture has about the area of a square of this side, in pixels, for each of its tiles: half as much again as a detector
learns from at a time."""
_QUALITY = 95


class Pictures:
    """Images as detectors learn from them that look at `tiles` × `tiles` tiles, as JPEG: kept from training to training."""

    def __init__(self, objects: ObjectStore, tiles: int = 1) -> None:
        self._objects = objects
        self.detail = tiles
        self._side = PICTURE_SIDE * tiles

    def has(self, sha256: str) -> bool:
        return self._objects.exists(self._key(sha256))

    def add(self, images: Mapping[str, NDArray[np.uint8]]) -> int:
        missing = {digest: pixels for digest, pixels in images.items() if not self.has(digest)}
        pictures = {self._key(digest): _encoded(pixels, self._side) for digest, pixels in missing.items()}
        self._objects.put_many(pictures, durable=False)
        return len(missing)

    def read(self, sha256: str) -> NDArray[np.uint8]:
        """uint8 [h, w, 3], RGB. Raises JobFailed where it is lost or damaged."""
        try:
            data = self._objects.get(self._key(sha256))
        except ObjectNotFound:
            raise JobFailed(FailureCode.UNKNOWN, LOST) from None
        try:
            with Image.open(io.BytesIO(data)) as picture:
                return np.asarray(picture.convert("RGB"))
        except OSError:
            self._objects.delete(self._key(sha256))
            raise JobFailed(FailureCode.UNKNOWN, LOST) from None

    def _key(self, sha256: str) -> str:
        return f"pictures/{self._side}/{sha256[:2]}/{sha256}"


class Findings:
    """What a detector finds in the images of one job, in pixels of each as it was decoded. `check` raises where the job should
    stop."""

    def __init__(
        self, objects: ObjectStore, job: str, open_session: Callable[[], DetectorSession], check: Callable[[], None]
    ) -> None:
        self._objects = objects
        self._job = job
        self._open_session = open_session
        self._check = check

    @property
    def detail(self) -> int:
        return self._session.detail

    @property
    def tags(self) -> tuple[str, ...]:
        """The detector's. Raises ObjectNotFound where it has no file."""
        return tuple(self._session.tags)

    def has(self, sha256: str) -> bool:
        return self._objects.exists(self._key(sha256))

    def add(self, images: Mapping[str, NDArray[np.uint8]]) -> int:
        for digest, pixels in images.items():
            self._check()
            found = self._detected(pixels)
            kept = {
                "size": [pixels.shape[1], pixels.shape[0]],
                "corners": found.corners.tolist(),
                "labels": found.labels.tolist(),
                "scores": found.scores.tolist(),
            }
            self._objects.put(self._key(digest), json.dumps(kept).encode(), durable=False)
        return len(images)

    def read(self, sha256s: Sequence[str]) -> Iterator[tuple[tuple[int, int], Detections]]:
        """Width and height of each image, and what was found in it. Raises JobFailed where it is lost or damaged."""
        for data in self._objects.get_many([self._key(sha256) for sha256 in sha256s]):
            try:
                kept = json.loads(data or b"")
            except ValueError:
                raise JobFailed(FailureCode.UNKNOWN, LOST) from None
            width, height = kept["size"]
            corners = np.array(kept["corners"], np.float32).reshape(-1, 4)
            labels, scores = np.array(kept["labels"], np.int64), np.array(kept["scores"], np.float32)
            yield (width, height), Detections(corners, labels, scores)

    def _detected(self, pixels: NDArray[np.uint8]) -> Detections:
        session = self._session
        try:
            return within(DETECT_SECONDS_MAX, lambda: session.detect(pixels), stop=session.stop)
        except TimeLimitExceeded:
            message = f"The model took longer than {DETECT_SECONDS_MAX:.0f} s for one image."
            raise JobFailed(FailureCode.INTERNAL_SERVER_ERROR, message) from None

    @cached_property
    def _session(self) -> DetectorSession:
        return self._open_session()

    def _key(self, sha256: str) -> str:
        return f"{job_key(self._job)}/found/{sha256}"


def _encoded(pixels: NDArray[np.uint8], side: int) -> bytes:
    picture = Image.fromarray(pixels)
    factor = side / (picture.width * picture.height) ** 0.5
    if factor < 1:
        size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
        picture = picture.resize(size, Image.Resampling.BILINEAR)
    target = io.BytesIO()
    picture.save(target, "JPEG", quality=_QUALITY, subsampling=0)
    return target.getvalue()
