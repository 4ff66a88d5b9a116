"""Reads and decodes images ahead of their consumer, in order and in bounded memory.

Reading waits for the network, so many images are read at once. Decoding keeps a core busy, so few are decoded at once, while
the networks run on the images before them.
"""

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vision_customization.engine.blobs.access import Access
from vision_customization.engine.blobs.address import BlobAddress, without_query
from vision_customization.engine.blobs.reader import BlobError, BlobReader, NotModified
from vision_customization.engine.jobs.errors import JobCancelled, JobFailed, unreadable
from vision_customization.engine.jobs.images.image_cache import Keeping
from vision_customization.engine.jobs.images.plan import AnnotatedImage
from vision_customization.engine.jobs.images.working_ahead import Budget, Listed, OrderedAhead
from vision_customization.engine.learning import decode_image
from vision_customization.engine.learning.errors import CodecError, ImageError
from vision_customization.engine.learning.images import check_sides
from vision_customization.engine.store import BlobRecord
from vision_customization.engine.views.kept_thumbnails import KeptThumbnails
from vision_customization.engine.views.reencoding import THUMBNAIL_SIDE, jpeg

READERS = 16
_READ_AHEAD_IMAGES = 32
_DECODED_AHEAD_IMAGES = 16
"""Images of the size for a one-tile detector. The size of an image in memory is unknown until it is decoded."""
_AHEAD_BYTES = 96 * 1024 * 1024
"""Of one reading. A worker has two at a time."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReadImage:
    """An image of a job. `pixels` is None if its derived data is stored already; `read` says whether it came over the network.
    `record` is the blob's record for the store. `thumbnail` is an encoded one, if it was made."""

    image: AnnotatedImage
    record: BlobRecord
    pixels: NDArray[np.uint8] | None
    read: bool
    thumbnail: bytes | None = None


@dataclass(frozen=True, slots=True)
class _Fetched:
    image: AnnotatedImage
    url: str
    etag: str | None
    sha256: str
    data: bytes
    """Empty if the blob is unchanged and its derived data is stored."""
    known: BlobRecord | None
    kept: bool
    """Whether the derived data is stored. The many reading threads check it, because that takes time if objects are blobs."""
    lacks_thumbnail: bool = False


class ImageReading:
    """Reads images in order. Iterate over it, and close it: its threads go on until then.

    Args:
        access: credentials of the images' dataset.
        known: blobs that were read before, by URL without query. If a blob is unchanged and its derived data is stored,
            a request confirms that, but the image is not read.
        kept: the derived data stored so far.
        sides: least and greatest side in pixels.
        decoders: how many images are decoded at once.
        check: called during waits for an image; an exception that it raises ends the wait.
        on_wait: called with the reason while a blob cannot be read yet, from the thread that reads it.
        thumbnails: those stored so far. If given, an image that is decoded and has none gets one.
    """

    def __init__(
        self,
        images: Iterable[AnnotatedImage],
        reader: BlobReader,
        access: Access,
        known: Mapping[str, BlobRecord],
        kept: Keeping,
        *,
        sides: tuple[int, int],
        decoders: int,
        check: Callable[[], None],
        on_wait: Callable[[str], None] | None,
        thumbnails: KeptThumbnails | None = None,
    ) -> None:
        self._reader = reader
        self._on_wait = on_wait
        self._closed = False
        self._access = access
        self._known = known
        self._kept = kept
        self._sides = sides
        self._detail = kept.detail
        self._thumbnails = thumbnails
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="read-image")
        self._decoders = ThreadPoolExecutor(decoders, thread_name_prefix="decode-image")
        fetched = OrderedAhead(
            Listed(images), self._fetch, self._readers, Budget(_READ_AHEAD_IMAGES, _AHEAD_BYTES, _file_bytes), check
        )
        decoded_ahead_images = max(decoders, _DECODED_AHEAD_IMAGES // self._detail**2)
        self._decoded = OrderedAhead(
            fetched, self._decode, self._decoders, Budget(decoded_ahead_images, _AHEAD_BYTES, _decoded_bytes), check
        )

    def __iter__(self) -> Iterator[ReadImage]:
        return self

    def __next__(self) -> ReadImage:
        """Raises JobFailed or SourceUnreachable, with name and reason, for an image that cannot be read. The code of the
        failure is datasetCorrupt, unless this installation can't decode it."""
        decoded = self._decoded.take(wait=True)
        if decoded is None:
            raise StopIteration
        return decoded.result()

    def close(self) -> None:
        self._closed = True
        for pool in (self._readers, self._decoders):
            pool.shutdown(wait=False, cancel_futures=True)

    def _fetch(self, image: AnnotatedImage) -> _Fetched:
        url = BlobAddress.parse(image.url).url
        known = self._known.get(url)
        if known is not None and not self._kept.has(known.sha256):
            known = None
        etag = known.etag if known is not None else None
        try:
            blob = self._access.read(self._reader, image.url, etag=etag, on_wait=self._waits)
        except BlobError as error:
            raise unreadable(image.place, image.url, error) from None
        if isinstance(blob, NotModified):
            assert known is not None
            return _Fetched(image, url, known.etag, known.sha256, b"", known, kept=True)
        sha256 = hashlib.sha256(blob.data).hexdigest()
        lacks_thumbnail = self._thumbnails is not None and self._thumbnails.lacks(sha256)
        return _Fetched(image, url, blob.etag, sha256, blob.data, None, self._kept.has(sha256), lacks_thumbnail)

    def _waits(self, why: str) -> None:
        if self._closed:
            raise JobCancelled  # nobody needs the blob any more
        if self._on_wait is not None:
            self._on_wait(why)

    def _decode(self, read: Future[_Fetched]) -> ReadImage:
        fetched = read.result()
        try:
            if fetched.known is not None:
                check_sides(fetched.known.width, fetched.known.height, self._sides)
                return ReadImage(fetched.image, fetched.known, None, read=False)
            small_side = THUMBNAIL_SIDE if fetched.lacks_thumbnail else None
            decoded = decode_image(fetched.data, self._sides, self._detail, small_side=small_side)
        except (ImageError, CodecError) as error:
            message = f"{fetched.image.place}, {without_query(fetched.image.url)}: {error.message}."
            raise JobFailed(error.code, message) from None
        record = BlobRecord(fetched.url, fetched.etag or "", fetched.sha256, decoded.width, decoded.height)
        pixels = None if fetched.kept else decoded.pixels
        thumbnail = None if decoded.small is None else _thumbnail(decoded.small)
        return ReadImage(fetched.image, record, pixels, read=True, thumbnail=thumbnail)


def _thumbnail(pixels: NDArray[np.uint8]) -> bytes | None:
    """None if it cannot be made: no job fails for that."""
    try:
        return jpeg(pixels, THUMBNAIL_SIDE)
    except Exception as error:  # noqa: BLE001 - Pillow raises whatever the installation lacks
        _log.warning("a thumbnail cannot be made: %s", error)
        return None


def _file_bytes(_image: AnnotatedImage, fetched: Future[_Fetched]) -> int:
    """Memory for a file being read."""
    return len(fetched.result().data) if fetched.done() and fetched.exception() is None else 0


def _decoded_bytes(fetched: Future[_Fetched], decoded: Future[ReadImage]) -> int:
    """Memory for a decoded image. For one being decoded, an estimate: a multiple of its file's size."""
    if not decoded.done():
        return 0 if fetched.exception() is not None else 12 * len(fetched.result().data)
    pixels = None if decoded.exception() is not None else decoded.result().pixels
    return 0 if pixels is None else pixels.nbytes
