"""A batch prediction run: a model on every image of a container or a dataset. Each chunk of images is a piece that any worker
takes. Its rows are stored as one object, so that no image is answered twice."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from functools import cached_property, partial
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
from vision_customization.engine.jobs.queue import PLANNING_QUEUE, PREDICTING_QUEUE
from vision_customization.engine.jobs.steps.pieces import Pieces, Step
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
    """One run in this process, where several of its pieces may run at once. What a workflow calls may run twice."""

    def __init__(self, resources: Resources, cipher: TokenCipher, run_id: str) -> None:
        self._resources = resources
        self._runs = resources.store.batch_predictions
        self._run_id = run_id
        self.name = batch_prediction_job(run_id)
        self._lists = ImageLists(resources.objects, cipher, self.name)
        self._opening = threading.Lock()
        self._model: OpenedModel | None = None
        self._answering: ThreadPoolExecutor | None = None

    def close(self) -> None:
        with self._opening:
            if self._answering is not None:
                self._answering.shutdown(wait=False, cancel_futures=True)
            if self._model is not None:
                self._model.stop()

    def check(self) -> None:
        """Raises JobCancelled if somebody cancelled the run, or deleted its model."""
        if self._runs.cancellation_requested(self._run_id):
            raise JobCancelled

    def list_images(self, step: Step) -> Listed:
        """List the images, and keep the list: a piece. Raises JobFailed, JobCancelled."""
        return cast("Listed", step("list images", self.make_list))

    def make_list(self) -> Listed:
        try:
            run = self._runs.begin(self._run_id)
        except NotFound:
            raise JobCancelled from None
        self.check()
        if (kept := self._lists.finished()) is not None:  # rows may be stored that belong to this list
            return cast("Listed", kept)
        others = 0
        access, reader = self._access, self._resources.reader
        if run.source is not None:
            found = ContainerImages(reader, run.source, access, self.check, self._waits)
            images = self._lists.put(iter(found), self.check)
            others = found.others
        else:
            urls = dataset_images(reader, self._dataset, access, self.check, self._waits, self._resources.folder)
            images = self._lists.put(urls, self.check)
        self._lists.finish({"images": images, "others": others})
        listed = Listed(images=images, others=others)
        self.report(listed, Counts(answered=0, failed=0))
        return listed

    def predict(self, images: int, chunk: int) -> Counts:
        """Answer a chunk of the run's `images`, and store their rows: a piece. Returns how many they are.

        Raises JobFailed, JobCancelled, SourceUnreachable.
        """
        self.check()
        try:
            rows = self._rows.rows(chunk)  # of an attempt whose result was not recorded
        except ObjectNotFound:
            rows = self._answered(images, chunk)
            self.check()  # a run that has ended may be deleted, with its rows
            self._rows.put(chunk, rows)
        answered = sum(row.answered for row in rows)
        return Counts(answered=answered, failed=len(rows) - answered)

    def report(self, listed: Listed, counts: Counts) -> None:
        """Store how far the run is."""
        try:
            self._runs.report_progress(self._run_id, _progress(listed, counts))
        except NotFound:
            raise JobCancelled from None

    def write_result(self, step: Step, chunks: int) -> None:
        """Write all rows to the blob that the caller named, if there is one: a piece. Raises JobFailed, JobCancelled."""
        step("write result", self.write_rows, chunks)

    def write_rows(self, chunks: int) -> None:
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
        self._resources.objects.delete(job_key(self.name))

    def _answered(self, images: int, chunk: int) -> list[Row]:
        start = chunk * CHUNK_IMAGES
        urls = self._lists.urls(start, min(start + CHUNK_IMAGES, images))
        model, pool = self._opened()
        rows: list[Row] = []
        checked = time.monotonic()
        with closing(
            ImageAnswering(
                urls,
                self._resources.reader,
                self._access,
                model,
                pool,
                threads=self._resources.decoders,
                check=self.check,
                on_wait=self._waits,
            )
        ) as answering:
            for row in answering:
                rows.append(row)
                if time.monotonic() - checked > _CHECK_SECONDS:
                    self.check()
                    checked = time.monotonic()
        return rows

    def _opened(self) -> tuple[OpenedModel, ThreadPoolExecutor]:
        with self._opening:
            if self._model is None:
                self._model = self._open_model()
            if self._answering is None:
                self._answering = ThreadPoolExecutor(self._resources.decoders, thread_name_prefix="answer-image")
            return self._model, self._answering

    def _waits(self, why: str) -> None:
        """Called by the reading threads while they wait."""
        self.check()
        with suppress(NotFound):
            self._runs.tell_waiting(self._run_id, why)

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

    def _open_model(self) -> OpenedModel:
        try:
            return OpenedModel(open_model(self._resources.objects.path(artifact_key(self._run.model_id)), 1))
        except ObjectNotFound:
            message = f"The files of model '{self._run.model_name}' are missing. Train it again."
            raise JobFailed(FailureCode.MODEL_NOT_FOUND, message) from None
        except ArtifactError as error:
            message = f"The file of model '{self._run.model_name}' cannot be used: {error}."
            raise JobFailed(FailureCode.INTERNAL_SERVER_ERROR, message) from None


def run_batch_prediction(job: BatchPrediction, pieces: Pieces) -> None:
    """All steps of a run; as in `workflows`."""
    step = pieces.step
    try:
        listed: Listed = pieces.run(PLANNING_QUEUE, "list images", job.list_images)
        images = listed["images"]
        chunks = -(-images // CHUNK_IMAGES)
        counts = Counts(answered=0, failed=0)

        def after(_chunk: tuple[int, int], done: Counts) -> None:
            job.report(listed, _sum(counts, done))

        items = [(images, chunk) for chunk in range(chunks)]
        for _, done in pieces.spread("predict", job.predict, items, queue=PREDICTING_QUEUE, after=after, told=_told):
            counts = _sum(counts, done)
        pieces.run(PLANNING_QUEUE, "write result", job.write_result, chunks)
        step("finish", job.finish, listed, counts)
    except JobFailed as failure:
        step("fail", pieces.forget_and, job.fail, failure)
    except JobCancelled:
        step("cancel", pieces.forget_and, job.cancel)
    step("forget", pieces.forget)


def _told(item: tuple[int, int]) -> str:
    images, chunk = item
    return f"the images {chunk * CHUNK_IMAGES + 1:,} to {min(images, (chunk + 1) * CHUNK_IMAGES):,}"


def _sum(counts: Counts, more: Counts) -> Counts:
    return Counts(answered=counts["answered"] + more["answered"], failed=counts["failed"] + more["failed"])


def _progress(listed: Listed, counts: Counts) -> BatchPredictionProgress:
    rows = counts["answered"] + counts["failed"]
    return BatchPredictionProgress(
        images=listed["images"],
        images_answered=counts["answered"],
        images_failed=counts["failed"],
        other_blobs=listed["others"],
        share=rows / listed["images"] if listed["images"] else 1.0,
    )
