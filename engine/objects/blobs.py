"""Objects as blobs of one container, for machines that share no disk.

A blob is written completely or not at all, and a reader sees one version of it. Every request waits for the network, so many
threads work in parallel.
"""

import hashlib
import os
import re
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from vision_customization.common.blob_container import CONNECTIONS, refusal_code
from vision_customization.common.storage_refusal import why_refused
from vision_customization.engine.objects.store import (
    DRAFT,
    LEFT_BEHIND_SECONDS,
    ObjectNotFound,
    ObjectsUnavailable,
    Range,
    check_key,
    surplus,
)

if TYPE_CHECKING:
    from azure.storage.blob import BlobClient, ContainerClient

CACHE_BYTES_MAX = 1024**3
"""Maximum size of the files kept for `path`; the least recently used leave first."""

_BATCH = 8 * CONNECTIONS
"""Number of objects requested ahead of their consumer."""

_RANGE_NOT_SATISFIABLE = 416
_NO_VERSION = re.compile(r"[^a-zA-Z0-9]")

T = TypeVar("T")
R = TypeVar("R")


class BlobObjects:
    """Objects in `container`, which is created if missing; the files for `path` are in the folder `cache`.

    Args:
        who: the identity that sends the requests, for messages.
    """

    def __init__(
        self,
        container: "ContainerClient",
        cache: Path,
        who: str = "the engine's identity",
        *,
        cache_bytes_max: int = CACHE_BYTES_MAX,
    ) -> None:
        self._container = container
        self._cache = cache
        self._who = who
        self._cache_bytes_max = cache_bytes_max
        self._pool = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="objects")
        self._lock = threading.Lock()
        self._downloads: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._container.close()

    def put(self, key: str, data: bytes, *, durable: bool = True) -> None:  # noqa: ARG002 - a blob always is
        from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

        check_key(key)
        with self._explained():
            try:
                self._container.upload_blob(key, data, overwrite=True)
            except ResourceNotFoundError:
                with suppress(ResourceExistsError):  # another process was faster
                    self._container.create_container()
                self._container.upload_blob(key, data, overwrite=True)

    def put_many(self, objects: Mapping[str, bytes], *, durable: bool = True) -> None:
        self._each(lambda item: self.put(*item, durable=durable), objects.items())

    def get(self, key: str) -> bytes:
        from azure.core.exceptions import ResourceModifiedError, ResourceNotFoundError

        check_key(key)
        with self._explained():
            while True:
                try:
                    return self._container.download_blob(key).readall()
                except ResourceNotFoundError:
                    raise ObjectNotFound(f"There is no object {key}.") from None
                except ResourceModifiedError:
                    continue  # the blob was replaced between two chunks

    def get_many(self, keys: Sequence[str]) -> Iterator[bytes | None]:
        rest = iter(keys)
        while batch := list(islice(rest, _BATCH)):
            yield from self._each(self._get_if_there, batch)

    def get_ranges(self, ranges: Sequence[Range]) -> Iterator[bytes | None]:
        rest = iter(ranges)
        while batch := list(islice(rest, CONNECTIONS)):
            yield from self._each(self._get_range, batch)

    def exists(self, key: str) -> bool:
        check_key(key)
        with self._explained():
            return self._container.get_blob_client(key).exists()

    def delete(self, prefix: str) -> None:
        from azure.core.exceptions import ResourceNotFoundError

        check_key(prefix)
        with self._explained():
            try:
                under = list(self._container.list_blob_names(name_starts_with=f"{prefix}/"))
            except ResourceNotFoundError:
                return  # the container does not exist
        self._each(self._delete, [*under, prefix])

    def delete_many(self, keys: Iterable[str]) -> None:
        wanted = list(keys)
        for key in wanted:
            check_key(key)
        self._each(self._delete, wanted)

    def names(self, prefix: str) -> list[str]:
        from azure.core.exceptions import ResourceNotFoundError

        check_key(prefix)
        start = f"{prefix}/"
        with self._explained():
            try:
                found = [item.name for item in self._container.walk_blobs(name_starts_with=start, delimiter="/")]
            except ResourceNotFoundError:
                return []
        return sorted({name.removeprefix(start).rstrip("/") for name in found})

    def trim(self, prefix: str, bytes_max: int) -> int:
        from azure.core.exceptions import ResourceNotFoundError

        check_key(prefix)
        start = f"{prefix}/"
        with self._explained():
            try:
                listed = [
                    (blob.last_modified.timestamp(), blob.size, blob.name)
                    for blob in self._container.list_blobs(name_starts_with=start)
                    if "/" not in blob.name.removeprefix(start)
                ]
            except ResourceNotFoundError:
                return 0  # the container does not exist
        doomed = surplus(listed, bytes_max)
        self._each(self._delete, doomed)
        return len(doomed)

    def sweep(self) -> None:
        """Delete drafts in the cache. Storage itself discards unfinished blobs of a killed process."""
        before = time.time() - LEFT_BEHIND_SECONDS
        for draft in self._cache.glob(f"{DRAFT}*"):
            with suppress(OSError):  # another process was faster
                if draft.stat().st_mtime <= before:
                    draft.unlink()

    def path(self, key: str) -> Path:
        from azure.core.exceptions import ResourceModifiedError, ResourceNotFoundError

        check_key(key)
        blob = self._container.get_blob_client(key)
        with self._lock:
            download = self._downloads[key]
        with self._explained(), download:
            while True:
                try:
                    version = blob.get_blob_properties().etag
                    file = self._cached(key, _NO_VERSION.sub("", version))
                    if file.is_file():
                        os.utime(file)
                    else:
                        self._download(blob, version, file)
                except ResourceNotFoundError:
                    raise ObjectNotFound(f"There is no object {key}.") from None
                except ResourceModifiedError:
                    continue  # the blob was replaced since its version was requested
                return file

    def _get_range(self, part: Range) -> bytes | None:
        from azure.core.exceptions import HttpResponseError, ResourceModifiedError, ResourceNotFoundError

        key, start, stop = part
        check_key(key)
        with self._explained():
            while True:
                try:
                    return self._container.download_blob(key, offset=start, length=stop - start).readall()
                except ResourceNotFoundError:
                    return None
                except ResourceModifiedError:
                    continue  # the blob was replaced between two chunks
                except HttpResponseError as error:
                    if error.status_code == _RANGE_NOT_SATISFIABLE:
                        return b""  # it is not longer than `start`
                    raise

    def _get_if_there(self, key: str) -> bytes | None:
        try:
            return self.get(key)
        except ObjectNotFound:
            return None

    def _delete(self, key: str) -> None:
        from azure.core.exceptions import ResourceNotFoundError

        with self._explained(), suppress(ResourceNotFoundError):
            self._container.delete_blob(key)
        for file in self._cache.glob(self._cached(key, "*").name):
            file.unlink(missing_ok=True)

    def _cached(self, key: str, version: str) -> Path:
        return self._cache / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}-{version}"

    def _download(self, blob: "BlobClient", version: str, file: Path) -> None:
        from azure.core import MatchConditions

        self._cache.mkdir(parents=True, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(dir=self._cache, prefix=DRAFT)
        try:
            with os.fdopen(descriptor, "wb") as opened:
                blob.download_blob(etag=version, match_condition=MatchConditions.IfNotModified).readinto(opened)
            Path(draft).replace(file)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
        self._make_room(file)

    def _make_room(self, newest: Path) -> None:
        with self._lock, suppress(OSError):  # another process was faster
            files = sorted((file.stat().st_mtime_ns, file.stat().st_size, file) for file in self._cache.glob("[!.]*"))
            surplus = sum(size for _, size, _ in files) - self._cache_bytes_max
            for _, size, file in files:
                if surplus <= 0:
                    return
                if file != newest:
                    file.unlink()
                    surplus -= size

    def _each(self, work: Callable[[T], R], items: Iterable[T]) -> list[R]:
        return list(self._pool.map(work, items))

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Convert Azure's exceptions to ObjectsUnavailable, with the container and what is missing."""
        from azure.core.exceptions import AzureError, HttpResponseError

        try:
            yield
        except AzureError as error:
            status = error.status_code if isinstance(error, HttpResponseError) else None
            code = getattr(error, "error_code", None)
            answer = f"answers {status} {getattr(code, 'value', code) or ''}".rstrip()
            url = self._container.url.partition("?")[0]
            if isinstance(error, HttpResponseError) and status in (401, 403):
                missing = f"{self._who} needs the role Storage Blob Data Contributor on it (a new role takes minutes)"
                why = f"{answer}: {why_refused(refusal_code(error), self._who, missing)}"
            elif status is None:
                why = f"cannot be accessed as {self._who} ({type(error).__name__})"
            else:
                why = answer
            raise ObjectsUnavailable(f"The container of the engine's objects, {url}, {why}.") from None
