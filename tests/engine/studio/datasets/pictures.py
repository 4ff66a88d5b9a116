"""Pictures of images as the Studio asks for them, drawn from their addresses."""

import hashlib
from concurrent.futures import Future

import numpy as np

from tests.support.coco_content import CONTAINER, digest_of
from vision_customization.engine.store import DatasetRecord
from vision_customization.engine.views.errors import ViewError
from vision_customization.engine.views.reencoding import THUMBNAIL_SIDE, VIEW_SIDE, Reencoded, jpeg


class DrawnPictures:
    """Each address has its own colour. `refusals` are raised for addresses; `kept` are thumbnails by digest."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str | None]] = []
        self.refusals: dict[str, ViewError] = {}
        self.waiting: list[Future[Reencoded]] | None = None
        self.kept: dict[str, Reencoded] = {}

    def reset(self) -> None:
        self.asked.clear()
        self.refusals.clear()
        self.kept.clear()
        self.waiting = None

    def thumbnail(self, dataset: DatasetRecord, url: str, sha256: str | None = None) -> Future[Reencoded]:
        self.asked.append((dataset.name, url, sha256))
        return self._answer(url, THUMBNAIL_SIDE)

    def stored(self, sha256: str) -> Future[Reencoded | None]:
        answer = Future[Reencoded | None]()
        answer.set_result(self.kept.get(sha256))
        return answer

    def view(self, dataset: DatasetRecord, url: str) -> Future[Reencoded]:
        self.asked.append((dataset.name, url, None))
        return self._answer(url, VIEW_SIDE)

    def _answer(self, url: str, side: int) -> Future[Reencoded]:
        answer = Future[Reencoded]()
        if self.waiting is not None:
            self.waiting.append(answer)
        elif url in self.refusals:
            answer.set_exception(self.refusals[url])
        else:
            answer.set_result(drawn_picture(url, side))
        return answer


def drawn_picture(url: str, side: int) -> Reencoded:
    """Four thirds as wide as high, in stripes."""
    name = url.partition("?")[0].removeprefix(f"{CONTAINER}/")
    colour = np.frombuffer(hashlib.sha256(url.encode()).digest()[:3], np.uint8)
    pixels = np.full((side * 3 // 4, side, 3), colour, np.uint8)
    pixels[:, : side // 2] //= 2
    return Reencoded(jpeg(pixels, side), side, side * 3 // 4, digest_of(name), side)
