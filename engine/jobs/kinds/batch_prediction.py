"""A batch prediction run: a model on every image of a container or a dataset. A step answers a chunk of images, and stores
their rows as one object, so that no image is answered twice."""

import time
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property, partial
from itertools import islice
from typing import Any, TypedDict, cast

from vision_customization.contract.batch_prediction import ROWS_MEDIA_TYPE, BatchPredictionProgress
from vision_customization.contract.errors import FailureCode
from vision_customization.engine.blobs.access import Access
from vision_customization.engine.blobs.reader import BlobError
from vision_customization.engine.blobs.writing import write_blob
from vision_customization.engine.errors import SettingsError
from vision_customization.engine.jobs.errors import JobCancelled, JobFailed, unreadable
from vision_customization.engine.jobs.images.annotation_files import access_of
from vision_customization.engine.jobs.images.answering import ImageAnswering
from vision_customization.engine.jobs.images.found_objects import DETECT_SECONDS_MAX
from vision_customization.engine.jobs.images.image_list import ContainerImages, ImageLists, dataset_images
from vision_customization.engine.jobs.images.resources import Resources
from vision_customization.engine.jobs.names import batch_prediction_job
from vision_customization.engine.jobs.steps.waiting import awaited, in_thread
from vision_customization.engine.learning.classification.artifact import ClassifierSession
from vision_customization.engine.learning.detection.artifact import DetectorSession
from vision_customization.engine.learning.errors import ArtifactError
from vision_customization.engine.learning.images import DecodedImage
from vision_customization.engine.learning.opening import open_model
from vision_customization.engine.models.analysis import objects_result, tags_result
from vision_customization.engine.models.answer_rows import CHUNK_IMAGES, AnswerRows, Row
from vision_customization.engine.models.answers import detected_objects, tag_probabilities
from vision_customization.engine.objects.keys import artifact_key, job_key
from vision_customization.engine.objects.store import ObjectNotFound
from vision_customization.engine.runtime.time_limit import TimeLimitExceeded, within
from vision_customization.engine.store import BatchPredictionRecord, DatasetRecord, NotFound
from vision_customization.engine.store.cipher import TokenCipher

_CHECK_SECONDS = 0.5


class Listed(TypedDict):
    """The first step's result: how many images the run has, and how many blobs of the container are not images."""

    images: int
    others: int


class Counts(TypedDict):
    """How many rows there are so far."""

    answered: int
    failed: int


class OpenedModel:
    """A trained model, opened for calls from several threads, each of which computes on one core."""

    def __init__(self, session: ClassifierSession | DetectorSession) -> None:
        self._session = session

    @property
    def detail(self) -> int:
        return self._session.detail if isinstance(self._session, DetectorSession) else 1

    def answer(self, image: DecodedImage) -> dict[str, Any]:
        try:
            return within(DETECT_SECONDS_MAX, partial(self._computed, image), stop=self._session.stop)
        except TimeLimitExceeded:
            message = f"The model took longer than {DETECT_SECONDS_MAX:.0f} s for one image."
            raise JobFailed(FailureCode.INTERNAL_SERVER_ERROR, message) from None

    def stop(self) -> None:
        self._session.stop()

    def _computed(self, image: DecodedImage) -> dict[str, Any]:
        session = self._session
        if isinstance(session, DetectorSession):
            return objects_result(detected_objects(session.detect(image.pixels), session.tags, image))
        probabilities, novelty = session.classify(image.pixels)
        return tags_result(tag_probabilities(session.tags, probabilities, session.thresholds), novelty)


class BatchPrediction:
    """One run in this process. Every public method that the workflow calls is a step: it may run twice."""

    def __init__(self, resources: Resources, cipher: TokenCipher, run_id: str) -> None:
        self._resources = resources
        self._runs = resources.store.batch_predictions
        self._run_id = run_id
        self._job = batch_prediction_job(run_id)
        self._lists = ImageLists(resources.objects, cipher, self._job)
        self._progress = BatchPredictionProgress()
        self._answering: ImageAnswering | None = None
        self._next = -1
        self._checked = 0.0
        self._closed = False

    def close(self) -> None:
        self._closed = True
        if self._answering is not None:
            self._answering.close()

    def check(self) -> None:
        """Raises JobCancelled if somebody cancelled the run, or deleted its model."""
        if self._runs.cancellation_requested(self._run_id):
            raise JobCancelled
        self._checked = time.monotonic()

    def list_images(self) -> Listed:
        """List the images, and keep the list. Raises JobFailed, JobCancelled, SourceUnreachable."""
        try:
            run = self._runs.begin(self._run_id)
        except NotFound:
            raise JobCancelled from None
        self.check()
        if (listed := self._lists.finished()) is not None:  # rows may be stored that belong to this list
            return cast("Listed", listed)
        others = 0
        access, reader = self._access, self._resources.reader
        if run.source is not None:
            found = ContainerImages(reader, run.source, access, self.check, self._waits)
            images = self._lists.put(iter(found))
            others = found.others
        else:
            images = self._lists.put(dataset_images(reader, self._dataset, access, self.check, self._waits))
        found_now = Listed(images=images, others=others)
        self._lists.finish({"images": images, "others": others})
        self._report(found_now, Counts(answered=0, failed=0))
        return found_now

    def predict(self, listed: Listed, chunk: int, before: Counts) -> Counts:
        """Answer a chunk of images, and store their rows. Returns how many rows there are now.

        Raises JobFailed, JobCancelled, SourceUnreachable.
        """
        self.check()
        try:
            rows = self._rows.rows(chunk)  # of an attempt whose result was not recorded
        except ObjectNotFound:
            rows = self._answered(listed, chunk)
            self._rows.put(chunk, rows)
        answered = sum(row.answered for row in rows)
        counts = Counts(answered=before["answered"] + answered, failed=before["failed"] + len(rows) - answered)
        self._report(listed, counts)
        return counts

    def write_result(self, chunks: int) -> None:
        """Write all rows to the blob that the caller named, if there is one. Raises JobFailed, SourceUnreachable."""
        result = self._run.result
        if result is None:
            return
        try:
            access = self._runs.result_access(self._run)
        except SettingsError as error:
            raise JobFailed(FailureCode.INTERNAL_SERVER_ERROR, str(error)) from None
        rows = (line for chunk in range(chunks) for line in self._rows.lines(chunk))
        write = partial(write_blob, access, self._resources.reader, result.blob_url, rows, ROWS_MEDIA_TYPE)
        try:
            awaited(in_thread(write), self.check)
        except BlobError as error:
            raise unreadable("The result", result.blob_url, error) from None

    def finish(self, listed: Listed, counts: Counts) -> None:
        try:
            self._runs.finish(self._run_id, _progress(listed, counts))
        except NotFound:
            raise JobCancelled from None
        self.clean_up()

    def fail(self, failure: JobFailed) -> None:
        with suppress(NotFound):
            self._runs.fail(self._run_id, failure.details())
        self.clean_up()

    def cancel(self) -> None:
        with suppress(NotFound):
            self._runs.cancel(self._run_id)
        self.clean_up()

    def clean_up(self) -> None:
        """Delete the objects that only the job needed: not the rows."""
        self._resources.objects.delete(job_key(self._job))

    def _answered(self, listed: Listed, chunk: int) -> list[Row]:
        answering = self._answering_from(listed, chunk)
        # If this chunk fails, its reading is abandoned: a second attempt must begin at the first image again.
        self._next = -1
        rows = []
        for row in islice(answering, CHUNK_IMAGES):
            rows.append(row)
            if time.monotonic() - self._checked > _CHECK_SECONDS:
                self.check()
        self._next = chunk + 1
        return rows

    def _answering_from(self, listed: Listed, chunk: int) -> ImageAnswering:
        """The answering positioned at the chunk's first image: the previous chunk's, or a new one after a restart."""
        if self._answering is not None:
            if chunk == self._next:
                return self._answering
            self._answering.close()
        self._answering = ImageAnswering(
            self._lists.urls(chunk * CHUNK_IMAGES, listed["images"]),
            self._resources.reader,
            self._access,
            self._model,
            threads=self._resources.decoders,
            check=self.check,
            on_wait=self._waits,
        )
        return self._answering

    def _report(self, listed: Listed, counts: Counts) -> None:
        self._progress = _progress(listed, counts)
        try:
            self._runs.report_progress(self._run_id, self._progress)
        except NotFound:
            raise JobCancelled from None

    def _waits(self, why: str) -> None:
        """Called by the reading threads while they wait."""
        if self._closed:
            raise JobCancelled  # the job no longer needs the blob
        with suppress(NotFound):
            self._runs.report_progress(self._run_id, self._progress.model_copy(update={"message": why}))

    @cached_property
    def _run(self) -> BatchPredictionRecord:
        try:
            return self._runs.by_id(self._run_id)
        except NotFound:
            raise JobCancelled from None

    @cached_property
    def _rows(self) -> AnswerRows:
        return AnswerRows(self._resources.objects, self._run.model_id, self._run_id)

    @cached_property
    def _dataset(self) -> DatasetRecord:
        try:
            return self._resources.store.datasets.find(self._run.dataset_name or "")
        except NotFound:
            message = f"Dataset '{self._run.dataset_name}' does not exist. Register it and start again."
            raise JobFailed(FailureCode.DATASET_NOT_FOUND, message) from None

    @cached_property
    def _access(self) -> Access:
        if self._run.source is None:
            return access_of(self._resources.store, self._dataset)
        try:
            return self._runs.source_access(self._run)
        except SettingsError as error:
            raise JobFailed(FailureCode.INTERNAL_SERVER_ERROR, str(error)) from None

    @cached_property
    def _model(self) -> OpenedModel:
        try:
            return OpenedModel(open_model(self._resources.objects.path(artifact_key(self._run.model_id)), 1))
        except ObjectNotFound:
            message = f"The files of model '{self._run.model_name}' are missing. Train it again."
            raise JobFailed(FailureCode.MODEL_NOT_FOUND, message) from None
        except ArtifactError as error:
            message = f"The file of model '{self._run.model_name}' cannot be used: {error}."
            raise JobFailed(FailureCode.INTERNAL_SERVER_ERROR, message) from None


def run_batch_prediction(job: BatchPrediction, step: Callable[..., Any]) -> None:
    """All steps of a run; as in `workflows`."""
    try:
        listed = cast("Listed", step("list images", job.list_images))
        chunks = -(-listed["images"] // CHUNK_IMAGES)
        counts = Counts(answered=0, failed=0)
        for chunk in range(chunks):
            counts = step(f"predict {chunk}", job.predict, listed, chunk, counts)
        step("write result", job.write_result, chunks)
        step("finish", job.finish, listed, counts)
    except JobFailed as failure:
        step("fail", job.fail, failure)
    except JobCancelled:
        step("cancel", job.cancel)


def _progress(listed: Listed, counts: Counts) -> BatchPredictionProgress:
    rows = counts["answered"] + counts["failed"]
    return BatchPredictionProgress(
        images=listed["images"],
        images_answered=counts["answered"],
        images_failed=counts["failed"],
        other_blobs=listed["others"],
        share=rows / listed["images"] if listed["images"] else 1.0,
    )
