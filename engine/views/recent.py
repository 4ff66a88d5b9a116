"""The pictures sent last, in memory."""

import threading
from collections import OrderedDict
from collections.abc import Hashable

from vision_customization.engine.views.reencoding import Reencoded

BYTES_MAX = 32 * 1024 * 1024
"""Of some 4,000 thumbnails."""

_OVERHEAD_BYTES = 500
"""What an entry takes besides the picture."""


class RecentPictures:
    """Pictures by key; the least recently used leave first. Safe to use from many threads."""

    def __init__(self, bytes_max: int = BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, Reencoded] = OrderedDict()

    def get(self, key: Hashable) -> Reencoded | None:
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None:
                self._kept.move_to_end(key)
            return kept

    def put(self, key: Hashable, picture: Reencoded) -> None:
        with self._lock:
            replaced = self._kept.pop(key, None)
            self._kept[key] = picture
            self._bytes += _bytes_of(picture) - (0 if replaced is None else _bytes_of(replaced))
            while self._bytes > self._bytes_max:
                _, oldest = self._kept.popitem(last=False)
                self._bytes -= _bytes_of(oldest)


def _bytes_of(picture: Reencoded) -> int:
    return len(picture.data) + _OVERHEAD_BYTES
