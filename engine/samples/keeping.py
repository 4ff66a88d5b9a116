"""Keeps images that a classifier found novel, if the engine's settings say so: a bounded number, for a bounded time.

They are stored after the call that showed them was answered, in a thread of its own. A call never waits for that: if several
images wait already, further ones are not kept.
"""

import hashlib
import logging
import threading
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy.exc import SQLAlchemyError

from vision_customization.contract.limits import NOVEL
from vision_customization.engine.learning.errors import CodecError, ImageError
from vision_customization.engine.learning.images import decode_to_show
from vision_customization.engine.objects.keys import SAMPLES, sample_key
from vision_customization.engine.objects.store import ObjectStore
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import Store
from vision_customization.engine.views.kept_thumbnails import KeptThumbnails
from vision_customization.engine.views.reencoding import THUMBNAIL_SIDE, picture_of

WAITING_MAX = 4
"""Images that may wait to be stored, of up to 20 MB each."""

_log = logging.getLogger(__name__)


class Samples:
    """The kept images of one engine. Safe to use from many threads."""

    def __init__(self, settings: Settings, store: Store, objects: ObjectStore) -> None:
        self.images_max = settings.novel_samples
        self.days = settings.novel_sample_days
        self._store = store
        self._objects = objects
        self._thumbnails = KeptThumbnails(objects)
        self._waiting = threading.BoundedSemaphore(WAITING_MAX)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="samples")

    @property
    def enabled(self) -> bool:
        return self.images_max > 0

    def close(self) -> None:
        """Wait for the images that are being stored."""
        self._thread.shutdown()

    def offer(self, image: bytes, model_name: str, novelty: float, tag: str) -> None:
        """Keep the image, if it is novel and there is room. Returns at once.

        Args:
            image: the file, as it was sent.
            novelty: as the model says, 0 to 1.
            tag: the most probable one.
        """
        if not self.enabled or novelty < NOVEL or not self._waiting.acquire(blocking=False):
            return
        self._thread.submit(self._kept, image, model_name, novelty, tag)

    def data(self, sha256: str) -> bytes:
        """The file of a sample. Raises ObjectNotFound, OSError."""
        return self._objects.get(sample_key(sha256))

    def delete(self, sha256: str) -> None:
        """Delete a sample; nothing if there is none. Raises OSError."""
        self._objects.delete(sample_key(sha256))
        self._store.samples.delete(sha256)

    def sweep(self) -> int:
        """Delete what is too old or too much, and files that no row names; returns how many samples were deleted."""
        doomed = self._store.samples.surplus(self.images_max, self.days)
        for sha256 in doomed:
            self.delete(sha256)
        names = self._objects.names(SAMPLES)
        kept = {sample.sha256 for sample in self._store.samples.page(0, self.images_max + WAITING_MAX)[1]}
        for name in set(names) - kept:
            self._objects.delete(f"{SAMPLES}/{name}")
        return len(doomed)

    def _kept(self, image: bytes, model_name: str, novelty: float, tag: str) -> None:
        try:
            sha256 = hashlib.sha256(image).hexdigest()
            # The row first: a file without a row is swept, and a row tells what the page shows.
            is_new = self._store.samples.add(sha256, model_name, novelty, tag, len(image))
            if not is_new and self._objects.exists(sample_key(sha256)):
                return
            self._objects.put(sample_key(sha256), image)
            picture = picture_of(decode_to_show(image, THUMBNAIL_SIDE), sha256, THUMBNAIL_SIDE)
            self._thumbnails.put({sha256: picture.data})
            for old in self._store.samples.surplus(self.images_max, self.days):
                self.delete(old)
        except (OSError, SQLAlchemyError, ImageError, CodecError) as error:
            _log.warning("a novel image of model %s is not kept: %s", model_name, error)
        finally:
            self._waiting.release()
