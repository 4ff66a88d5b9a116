"""Plans as objects, encrypted because they contain the dataset's SAS token. Their images are in pages, so that a process reads
only those that it works on."""

import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import lru_cache
from typing import Any, Self, overload

from pydantic import SecretStr

from vision_customization.engine.annotations import Box, BoxedImage, MultiTaggedImage, TaggedImage
from vision_customization.engine.annotations.images import MadeOnDemand
from vision_customization.engine.blobs.access import Access
from vision_customization.engine.jobs.images.plan import AnnotatedImage, Part, Plan
from vision_customization.engine.objects.keys import job_key
from vision_customization.engine.objects.store import ObjectStore
from vision_customization.engine.store.cipher import TokenCipher

PAGE_IMAGES = 4096
_PAGES_IN_MEMORY = 4
_ZLIB_LEVEL = 1


class Plans:
    """Plans by job."""

    def __init__(self, objects: ObjectStore, cipher: TokenCipher) -> None:
        self._objects = objects
        self._cipher = cipher

    def put(self, job: str, plan: Plan) -> None:
        """The pages first, so that a plan that is found is whole."""
        for number, part in enumerate(plan.parts):
            for page in range(0, len(part.images), PAGE_IMAGES):
                rows = [_row(image) for image in part.images[page : page + PAGE_IMAGES]]
                self._put(_page_key(job, number, page // PAGE_IMAGES), rows)
        self._put(_key(job), {"parts": [_header(part) for part in plan.parts]})

    def get(self, job: str) -> Plan:
        """Its images are read when they are looked at. Raises ObjectNotFound."""
        parts = self._get(_key(job))["parts"]
        return Plan(tuple(_part(entry, self._images(job, number, entry["images"])) for number, entry in enumerate(parts)))

    def _images(self, job: str, part: int, images: int) -> "PagedImages":
        @lru_cache(maxsize=_PAGES_IN_MEMORY)
        def page(number: int) -> Sequence[AnnotatedImage]:
            return [_image_of(row) for row in self._get(_page_key(job, part, number))]

        return PagedImages(page, range(images))

    def _get(self, key: str) -> Any:  # noqa: ANN401 - JSON
        return json.loads(zlib.decompress(self._cipher.decrypt_bytes(self._objects.get(key))))

    def _put(self, key: str, content: object) -> None:
        text = json.dumps(content, separators=(",", ":")).encode()
        self._objects.put(key, self._cipher.encrypt_bytes(zlib.compress(text, _ZLIB_LEVEL)))


class PagedImages(MadeOnDemand[AnnotatedImage]):
    """Images that are read a page at a time. `positions` are those in the pages."""

    def __init__(self, page: Callable[[int], Sequence[AnnotatedImage]], positions: range) -> None:
        self._page = page
        self._positions = positions

    def __len__(self) -> int:
        return len(self._positions)

    @overload
    def __getitem__(self, index: int) -> AnnotatedImage: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | slice) -> AnnotatedImage | Self:
        if isinstance(index, slice):
            return type(self)(self._page, self._positions[index])
        page, place = divmod(self._positions[index], PAGE_IMAGES)
        return self._page(page)[place]

    def __iter__(self) -> Iterator[AnnotatedImage]:
        return map(self.__getitem__, range(len(self)))


def _header(part: Part) -> dict[str, Any]:
    access = {**asdict(part.access), "sas": part.access.sas and part.access.sas.get_secret_value()}
    return {
        "dataset": part.dataset,
        "tags": part.tags,
        "images": len(part.images),
        "access": access,
        "sides": part.sides,
        "files": part.files,
    }


def _part(entry: dict[str, Any], images: Sequence[AnnotatedImage]) -> Part:
    access = entry["access"]
    sas = SecretStr(access["sas"]) if access["sas"] else None
    return Part(
        dataset=entry["dataset"],
        tags=tuple(entry["tags"]),
        images=images,
        access=Access(sas, access["identity"], tuple(access["scopes"])),
        sides=tuple(entry["sides"]),
        files=entry["files"],
    )


def _row(image: AnnotatedImage) -> list[Any]:
    """An image in a page: what its labels are, the labels, URL, place and file name."""
    named = [image.url, image.place, image.file_name]
    if isinstance(image, TaggedImage):
        return ["tag", image.tag, *named]
    if isinstance(image, MultiTaggedImage):
        return ["tags", image.tags, *named]
    boxes = [(box.label, box.left, box.top, box.width, box.height) for box in image.boxes]
    return ["boxes", boxes, *named]


def _image_of(row: list[Any]) -> AnnotatedImage:
    kind, labels, url, place, file_name = row
    if kind == "tag":
        return TaggedImage(url, labels, place, file_name)
    if kind == "tags":
        return MultiTaggedImage(url, tuple(labels), place, file_name)
    return BoxedImage(url, tuple(Box(*box) for box in labels), place, file_name)


def _key(job: str) -> str:
    return f"{job_key(job)}/plan"


def _page_key(job: str, part: int, page: int) -> str:
    return f"{job_key(job)}/plan-{part}-{page:05d}"
