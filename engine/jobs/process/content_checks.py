"""Compares content indexes with their annotation files, which may be overwritten in place, while somebody looks at them.

`store` decides which index is due, at most once a minute. A check is a conditional request for each file, in a thread of its
own: it may wait for its storage, and must not keep the worker from its other jobs.
"""

import logging
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from vision_customization.contract.enums import ContentStatus, Purpose
from vision_customization.contract.errors import FailureCode
from vision_customization.engine.blobs.reader import BlobReader
from vision_customization.engine.jobs.errors import JobFailed, SourceUnreachable
from vision_customization.engine.jobs.images.annotation_files import access_of, spool_annotations
from vision_customization.engine.jobs.queue import JobQueue
from vision_customization.engine.store import ContentIndexRecord, DatasetRecord, NotFound, Store
from vision_customization.engine.store.records import IndexedFile

_log = logging.getLogger(__name__)


class ContentChecks:
    """The checks of one worker, one at a time. `folder` is for files that have changed, and holds nothing afterwards."""

    def __init__(self, store: Store, reader: BlobReader, queue: JobQueue, folder: Path) -> None:
        self._store = store
        self._reader = reader
        self._queue = queue
        self._folder = folder
        self._thread: threading.Thread | None = None

    def look(self) -> None:
        """Begin a check, if one is due and none is running."""
        if self._thread is not None and self._thread.is_alive():
            return
        index = self._store.content.take_check()
        if index is not None:
            self._thread = threading.Thread(target=self._run, args=(index,), name="content-check", daemon=True)
            self._thread.start()

    def check(self, index: ContentIndexRecord) -> None:
        """Queue a newer index if the files are not those of this one, or if one that failed may succeed now."""
        content = self._store.content
        try:
            dataset = self._store.datasets.find(index.dataset_name)
            if dataset.e_tag != index.e_tag:
                return  # the next look sees to it
            files = self._files(dataset, index.files)
        except NotFound:
            return
        except (JobFailed, SourceUnreachable) as error:
            content.checked(index.id, str(error))
            return
        if is_outdated(index, files, content.purpose_of(dataset.name)):
            created = content.renew(index.id)
            if created is not None:
                self._queue.enqueue_index(created)
        else:
            content.checked(index.id, None, files)

    def _run(self, index: ContentIndexRecord) -> None:
        try:
            self.check(index)
        except NotFound:
            pass  # it was replaced meanwhile
        except (OSError, SQLAlchemyError) as error:
            _log.warning("the content of dataset %s was not checked (%s)", index.dataset_name, type(error).__name__)
        except Exception:  # noqa: BLE001 - it is logged; the next look asks for another check
            _log.exception("the content of dataset %s was not checked", index.dataset_name)

    def _files(self, dataset: DatasetRecord, known: Sequence[IndexedFile]) -> list[IndexedFile]:
        """The annotation files as they are now. Raises JobFailed, SourceUnreachable."""
        access = access_of(self._store, dataset)
        self._folder.mkdir(parents=True, exist_ok=True)
        files = []
        for number, uri in enumerate(dataset.annotation_file_uris):
            version = known[number] if number < len(known) else None
            with tempfile.TemporaryFile(dir=self._folder) as target:
                file = spool_annotations(self._reader, uri, access, target, version, None)
            assert file is not None or version is not None
            files.append(file or version)
        return [file for file in files if file is not None]


def is_outdated(index: ContentIndexRecord, files: Sequence[IndexedFile], purpose: Purpose) -> bool:
    """Whether these files, which can be read now, make another index than the one that is ready, or may make one at last."""
    if index.status is ContentStatus.FAILED and not index.files:
        # It ended before the files were read. What killed its workers would kill them again.
        return index.error is None or index.error.code != FailureCode.INTERNAL_SERVER_ERROR.value
    if index.status is ContentStatus.FAILED and index.error is not None and index.error.code == FailureCode.UNKNOWN.value:
        return True  # the cause was not the files
    return [file.sha256 for file in files] != [file.sha256 for file in index.files] or purpose is not index.purpose
