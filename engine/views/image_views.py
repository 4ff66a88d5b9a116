"""Thumbnails and views of a dataset's images, on demand.

A thumbnail that is stored is read and returned at once. Anything else is made from the image's blob, in few threads that give
way to analyze: at most two images are decoded at a time, and while models answer calls, the decoders rest after each image.
"""

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Self

from sqlalchemy.exc import SQLAlchemyError

from vision_customization.engine.blobs.address import BlobAddress, without_query
from vision_customization.engine.blobs.reader import Blob, BlobError, BlobErrorKind, BlobReader
from vision_customization.engine.errors import SettingsError
from vision_customization.engine.learning.errors import CodecError, ImageError
from vision_customization.engine.learning.images import decode_to_show
from vision_customization.engine.objects.keys import thumbnail_key
from vision_customization.engine.objects.store import ObjectStore
from vision_customization.engine.store import BlobRecord, DatasetRecord, Store
from vision_customization.engine.views.errors import CodecMissing, PictureInvalid, PictureUnreadable
from vision_customization.engine.views.kept_thumbnails import KeptThumbnails
from vision_customization.engine.views.recent import RecentPictures
from vision_customization.engine.views.reencoding import THUMBNAIL_SIDE, VIEW_SIDE, Reencoded, picture_of
from vision_customization.engine.views.shared_work import SharedWork, fail, succeed

WAITING_MAX = 64
"""Pictures that may wait to be made; further ones are refused until there is room."""

READ_SECONDS_MAX = 15.0
"""Time limit for reading one image's blob, with all attempts."""

_DECODED_AT_ONCE_MAX = 2
_RESTS = 5.0
"""How long a decoder rests while models answer calls, as a multiple of the time that its last picture took. The calls need both
threads of a core, so that a low priority alone does not protect them."""
_REST_SECONDS_MAX = 0.25
_READERS_PER_DECODER = 4
"""Reading waits for the network. Each reader holds one file in memory, of up to 20 MB."""
_LOOKUPS = 8
_LEARNED_AT_ONCE = 32

_log = logging.getLogger(__name__)


class ImageViews:
    """Pictures of the images of registered datasets. Safe to use from many threads, and from an event loop.

    Each method returns a future at once. Wait for it (`result()`), or await it (`asyncio.wrap_future`). Cancel it if the
    picture is not needed any more: a picture that waits to be made is then dropped, unless others asked for it too. The future
    raises

    - ViewsBusy: too many pictures wait to be made. Ask again after its `retry_after_seconds`;
    - PictureUnreadable: the blob cannot be read, or the dataset's SAS token cannot be decrypted;
    - PictureInvalid: the blob is not an image that can be shown;
    - CodecMissing: this installation lacks the codec.

    Args:
        threads: the engine's threads for images (`settings.threads`); a quarter of them, one or two, decode pictures.
    """

    def __init__(
        self, store: Store, objects: ObjectStore, reader: BlobReader, threads: int, *, waiting_max: int = WAITING_MAX
    ) -> None:
        self._store = store
        self._reader = reader
        self._kept = KeptThumbnails(objects)
        self._recent = RecentPictures()
        decoders = max(1, min(_DECODED_AT_ONCE_MAX, threads // 4))
        self._decoders = threading.BoundedSemaphore(decoders)
        self._busy: Callable[[], bool] = lambda: False
        self._rested = 0.0
        self._lookups = ThreadPoolExecutor(_LOOKUPS, thread_name_prefix="thumbnails")
        self._making = SharedWork[Hashable, Reencoded](decoders * _READERS_PER_DECODER, waiting_max, "make-picture")
        self._lock = threading.Lock()
        self._learned: list[BlobRecord] = []

    def give_way_while(self, busy: Callable[[], bool]) -> None:
        """From now on, the decoders rest after each picture while `busy()`: whether models answer calls."""
        self._busy = busy

    def close(self) -> None:
        """Pictures that are not made yet are cancelled."""
        self._lookups.shutdown()
        self._making.close()
        self._remember(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def thumbnail(self, dataset: DatasetRecord, url: str, sha256: str | None = None) -> Future[Reencoded]:
        """The image at `url` within a square of 256 pixels.

        Args:
            url: of an image in the dataset's annotation files, with its query if it has one.
            sha256: digest of the image's file, in hex, if it is known; else it is looked up by the URL. A stored thumbnail of
                this digest is returned even if the blob has changed since.

        Raises:
            ValueError: `sha256` is not a SHA-256.
        """
        answer = Future[Reencoded]()
        if sha256 is not None:
            thumbnail_key(sha256)  # a digest from outside names no other object
            if (recent := self._recent.get(sha256)) is not None:
                succeed(answer, recent)
                return answer
        self._lookups.submit(self._look_up, dataset, url, sha256, answer)
        return answer

    def stored(self, sha256: str) -> Future[Reencoded | None]:
        """The thumbnail of the image file with this digest, in hex, if it is stored; else None. Nothing is made.

        Raises:
            ValueError: `sha256` is not a SHA-256.
        """
        answer = Future[Reencoded | None]()
        thumbnail_key(sha256)
        if (recent := self._recent.get(sha256)) is not None:
            answer.set_result(recent)
            return answer
        return self._lookups.submit(self._stored, sha256)

    def view(self, dataset: DatasetRecord, url: str) -> Future[Reencoded]:
        """The image at `url` within a square of 1,600 pixels, read from its blob now. Views are not stored."""
        answer = Future[Reencoded]()
        self._make(dataset, url, VIEW_SIDE, answer)
        return answer

    def _look_up(self, dataset: DatasetRecord, url: str, sha256: str | None, answer: Future[Reencoded]) -> None:
        try:
            if answer.cancelled():
                return
            thumbnail = self._known(url) if sha256 is None else self._stored(sha256)
            if thumbnail is None:
                self._make(dataset, url, THUMBNAIL_SIDE, answer)
            else:
                succeed(answer, thumbnail)
        except Exception as error:  # noqa: BLE001 - it is the asker's
            fail(answer, error)

    def _known(self, url: str) -> Reencoded | None:
        """The stored thumbnail of an image whose digest is known by its URL."""
        try:
            bare = BlobAddress.parse(url).url
        except BlobError as error:
            raise PictureUnreadable(error.kind, error.message) from None
        known = self._store.known_blobs.at([bare]).get(bare)
        return None if known is None else self._recent.get(known.sha256) or self._stored(known.sha256)

    def _stored(self, sha256: str) -> Reencoded | None:
        thumbnail = self._kept.get(sha256)
        if thumbnail is not None:
            self._recent.put(sha256, thumbnail)
        return thumbnail

    def _make(self, dataset: DatasetRecord, url: str, side: int, answer: Future[Reencoded]) -> None:
        # Two datasets may read one URL with different credentials.
        key = (dataset.name, dataset.e_tag, url, side)
        self._making.answer(key, lambda: self._made(dataset, url, side), answer)

    def _made(self, dataset: DatasetRecord, url: str, side: int) -> Reencoded:
        blob = self._read(dataset, url)
        sha256 = hashlib.sha256(blob.data).hexdigest()
        try:
            with self._decoders, self._resting():
                decoded = decode_to_show(blob.data, side)
                picture = picture_of(decoded, sha256, side)
        except CodecError as error:
            raise CodecMissing(f"{without_query(url)}: {error.message}.") from error
        except ImageError as error:
            raise PictureInvalid(f"{without_query(url)}: {error.message}.") from error
        if side == THUMBNAIL_SIDE:
            self._recent.put(sha256, picture)
            self._kept.put({sha256: picture.data})
        if blob.etag:
            record = BlobRecord(BlobAddress.parse(url).url, blob.etag, sha256, decoded.width, decoded.height)
            self._learn(record)
        return picture

    @contextmanager
    def _resting(self) -> Iterator[None]:
        """Around the decoding of a picture. If models answer calls, it begins only after the rest from the last picture."""
        if self._busy():
            time.sleep(max(0.0, self._rested - time.monotonic()))
        began = time.monotonic()
        yield
        ended = time.monotonic()
        self._rested = ended + min(_RESTS * (ended - began), _REST_SECONDS_MAX)

    def _read(self, dataset: DatasetRecord, url: str) -> Blob:
        try:
            access = self._store.datasets.access(dataset)
            blob = access.read(self._reader, url, limit_seconds=READ_SECONDS_MAX)
        except SettingsError as error:
            raise PictureUnreadable(BlobErrorKind.DENIED, f"{without_query(url)}: {error}") from None
        except BlobError as error:
            raise PictureUnreadable(error.kind, error.message) from None
        assert isinstance(blob, Blob), "only a read with an etag is answered otherwise"
        return blob

    def _learn(self, record: BlobRecord) -> None:
        """Remember digest and size of a blob. One transaction stores those of many, since each waits for the disk."""
        with self._lock:
            self._learned.append(record)
        self._remember(0 if self._making.pending <= 1 else _LEARNED_AT_ONCE)

    def _remember(self, at_least: int) -> None:
        with self._lock:
            if not self._learned or len(self._learned) < at_least:
                return
            learned, self._learned = self._learned, []
        try:
            self._store.known_blobs.remember(learned)
        except SQLAlchemyError as error:
            _log.warning("the digests of %d images are not remembered (%s)", len(learned), type(error).__name__)
