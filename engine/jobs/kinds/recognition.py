"""A product recognition run: one image through a trained detector. Seconds of work, in one step that may be done twice."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from vision_customization.contract.analysis import DetectedObject
from vision_customization.contract.errors import FailureCode
from vision_customization.contract.wire import ErrorDetails
from vision_customization.engine.jobs.errors import JobCancelled, JobFailed
from vision_customization.engine.jobs.names import recognition_job
from vision_customization.engine.learning.images import DecodedImage, decode_image
from vision_customization.engine.models.cache import ModelGone, ModelTooSlow
from vision_customization.engine.objects.keys import image_key, job_key
from vision_customization.engine.objects.store import ObjectNotFound, ObjectStore
from vision_customization.engine.products.recognition import recognized
from vision_customization.engine.store import NotFound, Store

IMAGE_ARRIVES_SECONDS = 60.0
"""How long after its run the image may arrive: the run is written first, or a sweep could take the image for a leftover."""

_NO_IMAGE = "The run's image is missing: the engine was stopped while it received it. Delete the run and send it again."


class Detector(Protocol):
    """Trained detectors; `serving.ModelCache`."""

    def detect(self, model_id: str, image: DecodedImage) -> list[DetectedObject]:
        """Raises `serving.ModelGone`."""
        ...


class Recognition:
    """One run in this process."""

    def __init__(self, store: Store, objects: ObjectStore, detector: Detector, run_id: str) -> None:
        self._store = store
        self._objects = objects
        self._detector = detector
        self._run_id = run_id

    def check(self) -> None:
        """Raises JobCancelled if the model was deleted, and the run with it: nothing else can cancel a run."""
        try:
            self._store.runs.by_id(self._run_id)
        except NotFound:
            raise JobCancelled from None

    def recognize(self) -> None:
        """Run the detector on the image and store the result. Raises JobFailed, JobCancelled."""
        try:
            run = self._store.runs.begin(self._run_id)
            if run.status.final:
                raise JobCancelled
            tiles = self._store.models.by_id(run.model_id).tiles
            image = decode_image(self._objects.get(image_key(recognition_job(self._run_id))), detail=tiles)
            found = self._detector.detect(run.model_id, image)
            self._store.runs.finish(self._run_id, recognized(found, image.width, image.height))
        except NotFound:
            raise JobCancelled from None
        except ObjectNotFound:
            raise JobFailed(FailureCode.INTERNAL_SERVER_ERROR, _NO_IMAGE) from None
        except ModelGone:
            message = f"The files of model '{run.model_name}' are missing. Train it again."
            raise JobFailed(FailureCode.MODEL_NOT_FOUND, message) from None
        except ModelTooSlow as error:
            raise JobFailed(FailureCode.INTERNAL_SERVER_ERROR, str(error)) from None
        self.clean_up()

    def fail(self, failure: JobFailed) -> None:
        with suppress(NotFound):
            self._store.runs.fail(self._run_id, failure.details())
        self.clean_up()

    def clean_up(self) -> None:
        """Delete the image and all other objects that only the run needed."""
        self._objects.delete(job_key(recognition_job(self._run_id)))


def run_recognition(recognition: Recognition, step: Callable[..., Any]) -> None:
    """All steps of a run; as in `workflows`."""
    try:
        step("recognize", recognition.recognize)
    except JobFailed as failure:
        step("fail", recognition.fail, failure)
    except JobCancelled:
        step("clean up", recognition.clean_up)


def settle_unqueued(store: Store, objects: ObjectStore, run_id: str, enqueue: Callable[[str], object]) -> None:
    """Settle a run that is in no queue: the API that received it is about to queue it, or was stopped. A run with its image is
    queued, which is harmless if it happens twice. A run without its image after IMAGE_ARRIVES_SECONDS fails."""
    if objects.exists(image_key(recognition_job(run_id))):
        enqueue(run_id)
        return
    with suppress(NotFound):
        if datetime.now(UTC) - store.runs.by_id(run_id).created > timedelta(seconds=IMAGE_ARRIVES_SECONDS):
            store.runs.fail(run_id, ErrorDetails(code=FailureCode.INTERNAL_SERVER_ERROR.value, message=_NO_IMAGE))
