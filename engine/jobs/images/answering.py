"""Answers images with a model, in order and ahead of their consumer: many are read at once, and each core decodes and computes
one image at a time."""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

from vision_customization.contract.errors import ImageErrorCode
from vision_customization.contract.limits import IMAGE_SIDE_ANALYZE_PX
from vision_customization.engine.blobs.access import Access
from vision_customization.engine.blobs.reader import Blob, BlobError, BlobErrorKind, BlobReader
from vision_customization.engine.jobs.errors import unreadable
from vision_customization.engine.jobs.images.reading import READERS
from vision_customization.engine.jobs.images.working_ahead import Budget, Listed, OrderedAhead
from vision_customization.engine.learning import decode_image
from vision_customization.engine.learning.errors import CodecError, ImageError
from vision_customization.engine.learning.images import DecodedImage, ImageSizeError
from vision_customization.engine.models.answer_rows import Row, answered, refused

_READ_AHEAD_IMAGES = 64
_READ_AHEAD_BYTES = 192 * 1024 * 1024
_ANSWERED_AHEAD = 4
"""Images for each thread that computes: while the consumer waits for a slow one, the others go on."""


class Answers(Protocol):
    """A model that is ready to answer, from several threads at once."""

    @property
    def detail(self) -> int:
        """The detail needed of an image, as in `engine.learning.decode_image`."""
        ...

    def answer(self, image: DecodedImage) -> dict[str, Any]:
        """The `customModelResult`, JSON-ready."""
        ...

    def stop(self) -> None:
        """Ask the running calls to end."""


@dataclass(frozen=True, slots=True)
class _Fetched:
    """An image that was read, or the row that says why it was not."""

    url: str
    data: bytes
    refused: Row | None = None


class ImageAnswering:
    """The rows of images, in their order. Iterate over it, and close it: its reading threads go on until then.

    Args:
        urls: the images' addresses.
        access: the credentials for them.
        answering: its `threads` threads decode and answer images, also of other pieces of the job. Reading threads are not
            shared, or a piece that waits for its storage would hold up the others.
        check: called during waits for an image; an exception that it raises ends the wait.
        on_wait: called with the reason while a blob cannot be read yet, from the thread that reads it.
    """

    def __init__(
        self,
        urls: Iterator[str],
        reader: BlobReader,
        access: Access,
        model: Answers,
        answering: Executor,
        *,
        threads: int,
        check: Callable[[], None],
        on_wait: Callable[[str], None] | None = None,
    ) -> None:
        self._reader = reader
        self._access = access
        self._model = model
        self._on_wait = on_wait
        self._reading = ThreadPoolExecutor(READERS, thread_name_prefix="read-image")
        fetched = OrderedAhead(
            Listed(urls), self._fetch, self._reading, Budget(_READ_AHEAD_IMAGES, _READ_AHEAD_BYTES, _file_bytes), check
        )
        ahead = Budget[Future[_Fetched], Row](_ANSWERED_AHEAD * threads, 1, lambda _fetched, _row: 0)
        self._rows = OrderedAhead(fetched, self._row, answering, ahead, check)

    def __iter__(self) -> Iterator[Row]:
        return self

    def __next__(self) -> Row:
        """Raises SourceUnreachable if the storage does not answer. Raises JobFailed if it denies an image to the job's
        credentials: they may have expired, and would get no other image either."""
        row = self._rows.take(wait=True)
        if row is None:
            raise StopIteration
        return row.result()

    def close(self) -> None:
        self._reading.shutdown(wait=False, cancel_futures=True)

    def _fetch(self, url: str) -> _Fetched:
        try:
            blob = self._access.read(self._reader, url, on_wait=self._on_wait)
        except BlobError as error:
            denied = error.kind is BlobErrorKind.DENIED and self._access.has_credentials_for(url)
            if denied or error.kind is BlobErrorKind.UNREACHABLE:
                raise unreadable("An image", url, error) from None
            too_large = error.kind is BlobErrorKind.TOO_LARGE
            code = ImageErrorCode.INVALID_IMAGE_SIZE if too_large else ImageErrorCode.INVALID_IMAGE_URL
            return _Fetched(url, b"", refused(url, code, error.message))
        assert isinstance(blob, Blob), "only a read with an etag is answered otherwise"
        return _Fetched(url, blob.data)

    def _row(self, read: Future[_Fetched]) -> Row:
        fetched = read.result()
        if fetched.refused is not None:
            return fetched.refused
        try:
            image = decode_image(fetched.data, IMAGE_SIDE_ANALYZE_PX, self._model.detail)
        except ImageSizeError as error:
            return refused(fetched.url, ImageErrorCode.INVALID_IMAGE_SIZE, f"The image cannot be analyzed: {error}.")
        except CodecError as error:
            message = f"The engine's installation is incomplete: {error}."
            return refused(fetched.url, ImageErrorCode.NOT_SUPPORTED_IMAGE, message)
        except ImageError as error:
            return refused(fetched.url, ImageErrorCode.INVALID_IMAGE_FORMAT, f"The image cannot be read: {error}.")
        return answered(fetched.url, self._model.answer(image), image.width, image.height)


def _file_bytes(_url: str, fetched: Future[_Fetched]) -> int:
    """Memory for a file being read."""
    return len(fetched.result().data) if fetched.done() and fetched.exception() is None else 0
