"""A detector's findings in each image of a job, kept from step to step."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from vision_customization.contract.errors import FailureCode
from vision_customization.engine.jobs.errors import JobFailed
from vision_customization.engine.jobs.images.shards import LOST
from vision_customization.engine.learning.boxes import Detections
from vision_customization.engine.learning.detection.artifact import DetectorSession
from vision_customization.engine.objects.keys import job_key
from vision_customization.engine.objects.store import ObjectStore
from vision_customization.engine.runtime.time_limit import TimeLimitExceeded, within

DETECT_SECONDS_MAX = 600.0
"""Time limit for one image in a worker. Workers have the lowest priority, so it is only for what would never end."""


class FoundObjects:
    """A detector's findings in the images of one job, in pixels of the decoded image. `check` raises if the job should stop."""

    measures = None
    outdated = 0

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
        """The detector's tags. Raises ObjectNotFound if it has no file."""
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
        """Width and height of each image, and the objects found in it. Raises JobFailed if they are lost or damaged."""
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
