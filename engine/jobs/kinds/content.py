"""Reading the content of a dataset into its index: one step, which begins again if it was interrupted."""

import logging
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from vision_customization.contract.enums import ProblemKind
from vision_customization.contract.errors import FailureCode
from vision_customization.engine.annotations import AnnotationError
from vision_customization.engine.annotations.content import DatasetContent
from vision_customization.engine.blobs.reader import BlobReader
from vision_customization.engine.jobs.errors import JobCancelled, JobFailed
from vision_customization.engine.jobs.images.annotation_files import access_of, file_name, spool_annotations
from vision_customization.engine.jobs.steps.waiting import awaited, in_thread
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import ContentIndexRecord, DatasetRecord, NotFound, Store
from vision_customization.engine.store.content_rows import NewImage
from vision_customization.engine.store.records import IndexedFile, IndexedProblem, IndexedTag, ProblemCount

REPORT_SECONDS = 1.0
_log = logging.getLogger(__name__)


def contents_folder(settings: Settings) -> Path:
    """Where annotation files are kept while they are read. Nothing in it outlives the process that reads them."""
    return settings.data_dir / "cache" / "contents"


class ContentIndexing:
    """One index in this process.

    Args:
        folder: needs about twice the size of the annotation files.
    """

    def __init__(self, store: Store, reader: BlobReader, folder: Path, index_id: str) -> None:
        self._store = store
        self._reader = reader
        self._folder = folder
        self._index_id = index_id
        self._files: list[IndexedFile] = []
        self._reported = time.monotonic()

    def check(self) -> None:
        """Raises JobCancelled if the dataset was deleted or has changed: nothing else can cancel an index."""
        try:
            self._store.content.by_id(self._index_id)
        except NotFound:
            raise JobCancelled from None

    def read(self) -> None:
        """Read the annotation files into the index. Raises JobFailed, JobCancelled, SourceUnreachable."""
        started = time.monotonic()
        try:
            index = self._store.content.begin(self._index_id)
            if index.status.final:
                raise JobCancelled
            dataset = self._store.datasets.find(index.dataset_name)
            former = self._store.content.former(self._index_id)
            if former is not None and not _may_be_same(index, former, dataset):
                former = None
            with ExitStack() as stack:
                files = self._spooled(dataset, former, stack)
                if former is not None and [file.sha256 for file in former.files] == [file.sha256 for file in self._files]:
                    self._store.content.keep_former(self._index_id, former.id, self._files)
                    return
                self._write(index, dataset, files)
        except NotFound:
            raise JobCancelled from None
        _log.info("the content of dataset %s was indexed in %.1f s", dataset.name, time.monotonic() - started)

    def fail(self, failure: JobFailed) -> None:
        with suppress(NotFound):
            self._store.content.fail(self._index_id, failure.details(), self._files)

    def _spooled(self, dataset: DatasetRecord, former: ContentIndexRecord | None, stack: ExitStack) -> list[BinaryIO]:
        """The annotation files on disk, until `stack` is closed. They are empty if all still have the versions of `former`."""
        access = access_of(self._store, dataset)
        self._folder.mkdir(parents=True, exist_ok=True)
        uris = dataset.annotation_file_uris
        targets: list[BinaryIO] = [
            stack.enter_context(tempfile.TemporaryFile(dir=self._folder))  # noqa: SIM115 - the stack is the manager
            for _ in uris
        ]

        def spool(number: int, version: IndexedFile | None) -> IndexedFile | None:
            work = partial(spool_annotations, self._reader, uris[number], access, targets[number], version, self._wait)
            return awaited(in_thread(work), self.check)

        self._files = []
        found: list[IndexedFile | None] = [None] * len(uris)
        if former is not None:
            found = [spool(number, version) for number, version in enumerate(former.files)]
            if not any(found):
                self._files = list(former.files)
                return targets
        files = [file or spool(number, None) for number, file in enumerate(found)]
        self._files = [file for file in files if file is not None]  # without a version, a file is always read
        return targets

    def _write(self, index: ContentIndexRecord, dataset: DatasetRecord, files: list[BinaryIO]) -> None:
        writer = self._store.content.writer(self._index_id)
        with DatasetContent(self._folder, index.annotation_kind, index.purpose, self._tell) as content:
            try:
                for uri, file in zip(dataset.annotation_file_uris, files, strict=True):
                    content.add(file, file_name(uri))
            except AnnotationError as error:
                raise JobFailed(FailureCode.DATASET_CORRUPT, f"Dataset '{dataset.name}': {error}") from None
            writer.add_images(NewImage(*image) for image in content.images())
            writer.add_tags(IndexedTag(*tag) for tag in content.tags())
            content.conclude()
            kept = content.problems.kept()
            writer.add_problems(IndexedProblem(*problem) for problem in kept)
            first = {problem.kind: problem.message for problem in reversed(kept)}
            counts = [
                ProblemCount(kind, content.problems.counts[kind], writer.images_with(kind), first[kind])
                for kind in ProblemKind
                if kind in first
            ]
            self._store.content.finish(self._index_id, writer, self._files, counts, content.digest)

    def _tell(self, images: int) -> None:
        now = time.monotonic()
        if now - self._reported >= REPORT_SECONDS:
            self._reported = now
            self._store.content.report(self._index_id, images_read=images)

    def _wait(self, why: str) -> None:
        """Called from the thread that reads a file."""
        try:
            self._store.content.report(self._index_id, message=why)
        except NotFound:
            raise JobCancelled from None


def run_indexing(indexing: ContentIndexing, step: Callable[..., Any]) -> None:
    """All steps of an index; as in `workflows`."""
    try:
        step("read", indexing.read)
    except JobFailed as failure:
        step("fail", indexing.fail, failure)
    except JobCancelled:
        pass  # the workers delete the rows of an index without a dataset


def _may_be_same(index: ContentIndexRecord, former: ContentIndexRecord, dataset: DatasetRecord) -> bool:
    """Whether the former index is what these files hold if their bytes are the same. Problems name the files."""
    return (former.annotation_kind, former.purpose) == (index.annotation_kind, index.purpose) and [
        file_name(file.url) for file in former.files
    ] == [file_name(uri) for uri in dataset.annotation_file_uris]
