"""One object of a picture, cut from its view: larger than in a thumbnail, and without the rest of the scene."""

import io
import threading
from collections import OrderedDict
from collections.abc import Hashable

from PIL import Image

from vision_customization.engine.learning.images import size_within
from vision_customization.engine.views.reencoding import THUMBNAIL_SIDE, Jpeg, Reencoded

MARGIN = 0.08
"""What is shown around a box, as a share of its longer side."""

BYTES_MAX = 24 * 1024 * 1024
"""Of some 80 views, which further crops of the same pictures need."""

_QUALITY = 80

Box = tuple[float, float, float, float]
"""Left, top, width and height as fractions of the picture's sides."""


def cropped(view: Reencoded, box: Box) -> Jpeg:
    """The box with a little around it, within a square of 256 pixels. It is never empty, however small the box is."""
    with Image.open(io.BytesIO(view.data), formats=("JPEG",)) as picture:
        left, top, width, height = (share * side for share, side in zip(box, (picture.width, picture.height) * 2, strict=True))
        margin = MARGIN * max(width, height)
        corners = (
            _whole(left - margin, left + width + margin, picture.width),
            _whole(top - margin, top + height + margin, picture.height),
        )
        (start, stop), (first, last) = corners
        part = picture.crop((start, first, stop, last))
    part = part.resize(size_within(part.width, part.height, THUMBNAIL_SIDE), Image.Resampling.HAMMING)
    target = io.BytesIO()
    part.save(target, "JPEG", quality=_QUALITY)
    return Jpeg(target.getvalue(), *part.size)


class RecentViews:
    """The views that crops were cut from last. Safe to use from many threads."""

    def __init__(self, bytes_max: int = BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, Reencoded] = OrderedDict()

    def get(self, key: Hashable) -> Reencoded | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: Hashable, view: Reencoded) -> None:
        with self._lock:
            replaced = self._kept.pop(key, None)
            self._kept[key] = view
            self._bytes += len(view.data) - (0 if replaced is None else len(replaced.data))
            while self._bytes > self._bytes_max:
                _, oldest = self._kept.popitem(last=False)
                self._bytes -= len(oldest.data)


def _whole(start: float, stop: float, side: int) -> tuple[int, int]:
    """Whole pixels within the side, at least one."""
    first = min(max(0, int(start)), side - 1)
    return first, min(side, max(first + 1, round(stop)))
