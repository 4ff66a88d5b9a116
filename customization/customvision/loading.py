"""Loads the images of a project into a folder: each once, also over several runs.

A file has its final name only once it is complete and decodes, so that a run that is killed goes on where it stopped.
"""

from __future__ import annotations

import base64
import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import requests

from vision_customization.common.dataset_content.image_formats import EXTENSIONS, FORMATS
from vision_customization.common.errors import VisionError
from vision_customization.common.loopback import is_loopback
from vision_customization.contract.limits import IMAGE_BYTES_MAX
from vision_customization.customization.client.transport import (
    REMOTE_TIMEOUT_SECONDS,
    RETRIED_STATUS,
    RetryPolicy,
    is_transient,
    retry_after,
)
from vision_customization.customization.customvision.wire import Image
from vision_customization.customization.datasets.digest_cache import DigestCache
from vision_customization.customization.datasets.image_facts import ReadImage, read_image
from vision_customization.customization.errors import ImageUnreadable, Unreachable

LOADS_AT_ONCE = 8

_CHUNK_BYTES = 256 * 1024
_PARTIAL = ".partial"
_EXPIRED_STATUS = 403


class ImageRefused(VisionError):
    """The storage answered with this status."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(f"the storage answered {status}")


class ImageSource:
    """GETs images by their URLs, which are on another host than the service and hold a signature: no request has the service's
    key, and no message a URL."""

    def __init__(self, retry: RetryPolicy | None = None, sleep: Callable[[float], None] = time.sleep) -> None:
        self._retry = retry or RetryPolicy()
        self._sleep = sleep
        self._session = requests.Session()
        self._session.auth = _no_auth
        self._session.mount("https://", requests.adapters.HTTPAdapter(pool_maxsize=LOADS_AT_ONCE))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def get(self, url: str) -> bytes:
        """The bytes at a URL.

        Raises:
            ImageRefused: a status that stays.
            ImageUnreadable: more bytes than an image may have, or others than the storage has.
            Unreachable: no answer, or 429 or 5xx, after all attempts.
        """
        host = urlsplit(url).hostname or "?"
        reason = ""
        for attempt in range(self._retry.attempts):
            asked_seconds = None
            try:
                with self._session.get(
                    url,
                    stream=True,
                    allow_redirects=False,
                    timeout=REMOTE_TIMEOUT_SECONDS,
                    proxies={"http": "", "https": ""} if is_loopback(url) else None,
                ) as response:
                    if response.status_code == requests.codes.ok:
                        return _checked(_body(response), response.headers.get("Content-MD5"))
                    if response.status_code not in RETRIED_STATUS:
                        raise ImageRefused(response.status_code)
                    reason, asked_seconds = f"{host} answered {response.status_code}", retry_after(response)
            except requests.RequestException as error:
                if not is_transient(error):
                    raise Unreachable(f"an image can't be loaded from {host}: {type(error).__name__}") from None
                reason = f"{host} did not answer, or the connection broke"
            if attempt + 1 < self._retry.attempts:
                self._sleep(self._retry.wait_seconds(attempt, asked_seconds))
        raise Unreachable(f"an image can't be loaded: {reason}. Run the same command again: it continues")


def files_by_id(folder: Path) -> dict[str, Path]:
    """The images that `folder` has, by their names without extension."""
    return {path.stem: path for path in image_files(folder)}


def image_files(folder: Path) -> list[Path]:
    """The files in `folder` with the extension of an image; none if there is no such folder."""
    if not folder.is_dir():
        return []
    return [path for path in sorted(folder.iterdir()) if path.suffix.lower() in EXTENSIONS and path.name[0] != "."]


class ImageFolder:
    """The images that are there, and what could not be loaded.

    Args:
        folder: created if it does not exist. Two runs must not load into it at once.
        renewed: an image with a URL that is valid again.
    """

    def __init__(
        self, folder: Path, source: ImageSource, renewed: Callable[[Image], Image], cache: DigestCache | None = None
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in folder.glob(f".*{_PARTIAL}"):
            leftover.unlink(missing_ok=True)
        self._folder = folder
        self._source = source
        self._renewed = renewed
        self._cache = cache
        self.files = files_by_id(folder)
        self.failed: dict[str, str] = {}
        """By image: why it could not be loaded."""
        self.resized: list[str] = []
        """Images of which the project has only a smaller copy."""

    def load(self, images: Iterable[Image], on_loaded: Callable[[], None]) -> None:
        """Load those that are not there yet.

        Raises:
            Unreachable: the storage does not answer. What was loaded stays.
        """
        missing = []
        for image in images:
            if image.original_image_uri is None and image.resized_image_uri is not None:
                self.resized.append(image.id)
            if image.id in self.files:
                on_loaded()
            else:
                missing.append(image)
        read: list[ReadImage] = []
        pool = ThreadPoolExecutor(LOADS_AT_ONCE, thread_name_prefix="load-images")
        try:
            for image, result in zip(missing, pool.map(self._load, missing), strict=True):
                if isinstance(result, str):
                    self.failed[image.id] = result
                else:
                    self.files[image.id] = Path(result.path)
                    read.append(result)
                on_loaded()
        finally:
            pool.shutdown(cancel_futures=True)
            if self._cache is not None:
                self._cache.remember(read)

    def _load(self, image: Image) -> ReadImage | str:
        url = _url(image)
        if url is None:
            return "the project has no URL of it"
        try:
            try:
                data = self._source.get(url)
            except ImageRefused as error:
                fresh = _url(self._renewed(image)) if error.status == _EXPIRED_STATUS else None
                if fresh is None:
                    raise
                data = self._source.get(fresh)
            return _write(self._folder, image.id, data)
        except (ImageRefused, ImageUnreadable) as error:
            return str(error)


def _url(image: Image) -> str | None:
    return image.original_image_uri or image.resized_image_uri


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Without it, requests sends what `.netrc` has for the host."""
    return request


def _body(response: requests.Response) -> bytes:
    data = bytearray()
    for chunk in response.iter_content(_CHUNK_BYTES):
        data += chunk
        if len(data) > IMAGE_BYTES_MAX:
            raise ImageUnreadable(f"is longer than {IMAGE_BYTES_MAX:,} bytes")
    return bytes(data)


def _checked(data: bytes, md5: str | None) -> bytes:
    if md5 and base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode() != md5.strip():
        raise ImageUnreadable("is damaged: the bytes are not those that the storage has")
    return data


def _write(folder: Path, name: str, data: bytes) -> ReadImage:
    """Write an image under its final name in one step. Raises ImageUnreadable if it is not an image."""
    facts = read_image(data)
    path = folder / f"{name}{FORMATS[facts.format].extension}"
    read_ns = time.time_ns()
    try:
        handle, partial = tempfile.mkstemp(dir=folder, prefix=f".{name}.", suffix=_PARTIAL)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(partial).chmod(0o644)
        Path(partial).replace(path)
        return ReadImage(str(path), path.stat(), read_ns, facts)
    except OSError as error:
        raise VisionError(f"{path}: can't be written: {error.strerror or error}") from None
