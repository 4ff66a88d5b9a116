"""Stored thumbnails: one object per image content, so that equal pictures of several datasets share one.

They are a cache. An object is written without waiting for the disk, and a damaged one counts as absent. A sweep deletes the
oldest once all take more than BYTES_MAX. A thumbnail that is absent is made again when it is asked for, so a store that
refuses is only logged.
"""

import io
import logging
from collections.abc import Mapping

from PIL import Image

from vision_customization.engine.objects.keys import THUMBNAILS, thumbnail_key
from vision_customization.engine.objects.store import ObjectNotFound, ObjectStore
from vision_customization.engine.views.reencoding import THUMBNAIL_SIDE, Reencoded

BYTES_MAX = 2 * 1024**3
"""Of some 200,000 thumbnails."""

_FOLDERS = 256
_JPEG_BEGINS, _JPEG_ENDS = b"\xff\xd8", b"\xff\xd9"

_log = logging.getLogger(__name__)


class KeptThumbnails:
    """Thumbnails by the SHA-256 of the original image."""

    def __init__(self, objects: ObjectStore, bytes_max: int = BYTES_MAX) -> None:
        self._objects = objects
        self._bytes_max = bytes_max

    def lacks(self, sha256: str) -> bool:
        """Whether the thumbnail should be made. False also if the store does not answer."""
        try:
            return not self._objects.exists(thumbnail_key(sha256))
        except OSError as error:
            _log.warning("thumbnails cannot be looked up: %s", error)
            return False

    def get(self, sha256: str) -> Reencoded | None:
        """The thumbnail; None if it is missing or damaged, or if the store does not answer."""
        try:
            data = self._objects.get(thumbnail_key(sha256))
        except ObjectNotFound:
            return None
        except OSError as error:
            _log.warning("thumbnails cannot be read: %s", error)
            return None
        if not (data.startswith(_JPEG_BEGINS) and data.endswith(_JPEG_ENDS)):
            return None
        try:
            with Image.open(io.BytesIO(data), formats=("JPEG",)) as picture:
                return Reencoded(data, *picture.size, sha256, THUMBNAIL_SIDE)
        except (OSError, SyntaxError):
            return None

    def put(self, thumbnails: Mapping[str, bytes]) -> None:
        """Store encoded thumbnails, by the digests of their originals. A store that refuses them is logged."""
        try:
            self._objects.put_many({thumbnail_key(digest): data for digest, data in thumbnails.items()}, durable=False)
        except OSError as error:
            _log.warning("%d thumbnails cannot be stored: %s", len(thumbnails), error)

    def sweep(self) -> int:
        """Delete the oldest thumbnails until all take at most `bytes_max`; returns how many were deleted.

        Digests are spread evenly over the folders, so each folder has an equal share of the bytes.
        """
        folders = self._objects.names(THUMBNAILS)
        return sum(self._objects.trim(f"{THUMBNAILS}/{folder}", self._bytes_max // _FOLDERS) for folder in folders)
