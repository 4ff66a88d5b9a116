"""The thumbnails sent last, in memory."""

import threading
from collections import OrderedDict

from vision_customization.engine.views.reencoding import Reencoded

BYTES_MAX = 32 * 1024 * 1024
"""Of some 4,000 thumbnails."""

_OVERHEAD_BYTES = 500
"""What an entry takes besides the picture."""


class RecentThumbnails:
    """Thumbnails by the digests of their originals; the least recently used leave first. Safe to use from many threads."""

    def __init__(self, bytes_max: int = BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Reencoded] = OrderedDict()

    def get(self, sha256: str) -> Reencoded | None:
        with self._lock:
            kept = self._kept.get(sha256)
            if kept is not None:
                self._kept.move_to_end(sha256)
            return kept

    def put(self, thumbnail: Reencoded) -> None:
        with self._lock:
            replaced = self._kept.pop(thumbnail.sha256, None)
            self._kept[thumbnail.sha256] = thumbnail
            self._bytes += _bytes_of(thumbnail) - (0 if replaced is None else _bytes_of(replaced))
            while self._bytes > self._bytes_max:
                _, oldest = self._kept.popitem(last=False)
                self._bytes -= _bytes_of(oldest)


def _bytes_of(thumbnail: Reencoded) -> int:
    return len(thumbnail.data) + _OVERHEAD_BYTES
