"""The annotation files of a registered dataset: the credentials for them, and reading them into a file."""

import io
from collections.abc import Callable
from typing import BinaryIO

from vision_customization.contract.errors import FailureCode
from vision_customization.engine.blobs.access import Access
from vision_customization.engine.blobs.address import without_query
from vision_customization.engine.blobs.reader import BlobError, BlobReader, NotModified
from vision_customization.engine.errors import SettingsError
from vision_customization.engine.jobs.errors import JobFailed, unreadable
from vision_customization.engine.store import DatasetRecord, Store
from vision_customization.engine.store.records import IndexedFile

ANNOTATION_BYTES_MAX = 512 * 1024 * 1024
"""A million images take about 300 MB."""


def access_of(store: Store, dataset: DatasetRecord) -> Access:
    """How the dataset's blobs are read. Raises JobFailed if its token cannot be decrypted."""
    try:
        return store.datasets.access(dataset)
    except SettingsError as error:
        raise JobFailed(FailureCode.DATASET_CORRUPT, f"{error} Then start again.") from None


def file_name(uri: str) -> str:
    """How messages call an annotation file."""
    return without_query(uri).rsplit("/", 1)[-1]


def spool_annotations(
    reader: BlobReader,
    uri: str,
    access: Access,
    target: BinaryIO,
    known: IndexedFile | None,
    on_wait: Callable[[str], None] | None,
) -> IndexedFile | None:
    """Write an annotation file to `target`. None if the file still has the version `known`; nothing is written then.

    Raises JobFailed, SourceUnreachable, and what `on_wait` raises.
    """
    url = without_query(uri)
    etag = known.etag if known is not None and known.url == url else None
    try:
        spooled = access.spool(reader, uri, target, etag=etag, max_bytes=ANNOTATION_BYTES_MAX, on_wait=on_wait)
    except BlobError as error:
        raise unreadable("Annotation file", uri, error) from None
    if isinstance(spooled, NotModified):
        return None
    target.seek(0, io.SEEK_SET)
    return IndexedFile(url, spooled.sha256, spooled.size_bytes, spooled.etag)
