"""Reading image files, and their miniatures, in a pool of threads, except those that the cache knows."""

from __future__ import annotations

import hashlib
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from vision_customization.customization.datasets.digest_cache import DigestCache
from vision_customization.customization.datasets.image_facts import FileStatus, ImageFacts, ReadImage, SmallStatus, read_image
from vision_customization.customization.errors import CodecMissing, ImageUnreadable

_BATCH = 2048
_VERIFIED_PER_FILE = 500
"""Decoding a file takes as long as reading so many rows of the cache."""


def read_images(
    statuses: Mapping[str, FileStatus],
    cache: DigestCache | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> dict[str, ImageFacts | ImageUnreadable]:
    """The facts about each file: from the cache if it is unchanged; a pool of threads reads the others.

    Args:
        statuses: path → its status.
        cache: keeps facts between calls.
        on_progress: called with (done, total) of the files to be read.

    Raises:
        CodecMissing: Pillow can't decode one of them here; the message names it.
    """
    facts: dict[str, ImageFacts | ImageUnreadable] = {}
    if cache is not None:
        facts.update(cache.lookup(statuses))
    missing = [path for path in statuses if path not in facts]
    if not missing:
        return facts
    verified = cache.verified(at_most=_VERIFIED_PER_FILE * len(missing)) if cache is not None else {}
    done = 0
    pool = _pool()
    try:
        with _no_warnings():
            for start in range(0, len(missing), _BATCH):
                read_now: list[ReadImage] = []
                batch = missing[start : start + _BATCH]
                try:
                    results = pool.map(lambda path: _read_file(path, verified), batch)
                    for path, result in zip(batch, results, strict=True):
                        done += 1
                        if isinstance(result, ReadImage):
                            read_now.append(result)
                            facts[path] = replace(result.facts, miniature=None)
                        else:
                            facts[path] = result
                        if on_progress is not None:
                            on_progress(done, len(missing))
                finally:
                    # Keep what was read before Ctrl-C. The miniatures of all images would not fit into memory.
                    if cache is not None:
                        cache.remember(read_now)
    finally:
        pool.shutdown(cancel_futures=True)
    return facts


def read_miniatures(
    paths: Mapping[str, Path], cache: DigestCache | None = None, read: Callable[[Path], bytes] = Path.read_bytes
) -> dict[str, bytes]:
    """The miniature of each image content, by its SHA-256: from the cache if it is known, else from its file. A file that
    can't be read, or is an image too large to decode, has none.

    Args:
        paths: SHA-256 → a file with this content.
        read: gives the bytes of an encoded image for a file.
    """
    found = cache.miniatures(paths) if cache is not None else {}
    missing = [sha256 for sha256 in paths if sha256 not in found]

    def look(sha256: str) -> bytes | None:
        try:
            return read_image(read(paths[sha256]), sha256).miniature
        except (OSError, ImageUnreadable):
            return None

    with _no_warnings(), _pool() as pool:
        new = {sha256: small for sha256, small in zip(missing, pool.map(look, missing), strict=True) if small is not None}
    if cache is not None:
        cache.remember_miniatures(new)
    return found | new


def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=min(8, (os.cpu_count() or 1) + 1), thread_name_prefix="read-images")


@contextmanager
def _no_warnings() -> Iterator[None]:
    """Pillow warns of odd metadata, on standard error and without the file's name."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


def _read_file(path: str, verified: Mapping[str, ImageFacts]) -> ReadImage | ImageUnreadable:
    try:
        with Path(path).open("rb") as file:
            status = SmallStatus.of(os.fstat(file.fileno()))
            read_ns = time.time_ns()
            data = file.read()
        sha256 = hashlib.sha256(data).hexdigest()
        return ReadImage(path, status, read_ns, verified.get(sha256) or read_image(data, sha256))
    except ImageUnreadable as error:
        return error
    except CodecMissing as error:
        raise CodecMissing(f"{path} {error}") from error
    except OSError as error:
        return ImageUnreadable(f"can't be read: {error.strerror or error}")
