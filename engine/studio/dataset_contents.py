"""A dataset's images as pages ask for them: by a filter and a number, or by their position."""

import re
import zlib
from dataclasses import dataclass
from urllib.parse import urlencode

from vision_customization.contract.enums import ProblemKind
from vision_customization.contract.errors import ErrorCode
from vision_customization.engine.api.errors import ApiError
from vision_customization.engine.store import ContentIndexRecord, IndexedCrop, IndexedImage, IndexedImages, Store
from vision_customization.engine.studio.visit import Visit, link

TONES = 8
"""Colours of boxes."""

TAG_CHARACTERS_MAX = 4096
UNLABELLED = "unlabelled"

_POSITION_DIGITS_MAX = 9
_DIGEST = re.compile(r"\b([0-9a-f]{8})[0-9a-f]{56}\b")

PROBLEMS = {
    ProblemKind.LIMIT: "outside the limits",
    ProblemKind.FEW_LABELS: "too few labels",
    ProblemKind.ON_EVERY_IMAGE: "a tag on every image",
    ProblemKind.ENTRY: "an entry is incomplete",
    ProblemKind.REFERENCE: "an unknown image or tag is named",
    ProblemKind.SIZE: "a width or height outside the limits",
    ProblemKind.BOX: "a box breaks the rules",
    ProblemKind.SEVERAL_TAGS: "several tags on one image",
    ProblemKind.OTHER_TAGS: "listed twice with other tags",
    ProblemKind.UNLABELLED: "without a tag",
    ProblemKind.UNUSED_TAG: "a tag without a label",
    ProblemKind.SIMILAR_TAGS: "tags with similar names",
}
"""Kinds of problems, in words that fit behind "images: "."""


@dataclass(frozen=True)
class Filter:
    """Which images to show: those of a tag, those with a kind of problem, those without a label, or all. With `crops`, the
    objects of the tag, one by one. `only` is the value in addresses."""

    tag: str = ""
    only: str = ""
    crops: bool = False

    @classmethod
    def asked(cls, visit: Visit) -> "Filter":
        """The one in the query. A tag counts more than `only`; a value that does not exist counts as none."""
        tag = visit.query("tag")[:TAG_CHARACTERS_MAX]
        if tag:
            return cls(tag=tag, crops=visit.query("crops") == "yes")
        only = visit.query("only")
        return cls(only=only if only == UNLABELLED or only in set(ProblemKind) else "")

    @property
    def query(self) -> dict[str, str]:
        found = {"tag": self.tag, "only": self.only, "crops": "yes" if self.crops else ""}
        return {name: value for name, value in found.items() if value}

    @property
    def text(self) -> str:
        """Behind "12 of 300": `with the tag “cat”`. Empty for all images."""
        if self.crops:
            return f"objects with the tag “{self.tag}”"
        if self.tag:
            return f"with the tag “{self.tag}”"
        if self.only == UNLABELLED:
            return "without a label"
        return f"with a problem: {PROBLEMS[ProblemKind(self.only)]}" if self.only else ""

    def address(self, path: str, **further: object) -> str:
        """A path with this filter in its query, and what else is not empty."""
        query = {**self.query, **{name: value for name, value in further.items() if value not in ("", None)}}
        return f"{path}?{urlencode(query)}" if query else path


def images_of(store: Store, content: ContentIndexRecord, chosen: Filter, start: int, count: int) -> IndexedImages:
    """Of the images that a filter without crops selects, at most `count` from `start` on."""
    if chosen.tag:
        return store.content.page(content.index, start, count, tag=chosen.tag)
    if chosen.only == UNLABELLED:
        return store.content.page(content.index, start, count, unlabelled=True)
    if chosen.only:
        return store.content.page(content.index, start, count, problem=ProblemKind(chosen.only))
    return store.content.page(content.index, start, count)


def image_at(store: Store, dataset_name: str, position: str) -> IndexedImage | None:
    """The image at a position of an address; None if there is none, or the dataset has not been read."""
    number = position_in(position)
    content = store.content.shown(dataset_name)
    return None if number is None or content is None else store.content.image(content.index, number)


def no_such_image() -> ApiError:
    return ApiError(404, ErrorCode.RESOURCE_NOT_FOUND, "The dataset has no such image.")


def position_in(text: str) -> int | None:
    """The number in a part of an address; None if it is not one."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _POSITION_DIGITS_MAX else None


def tone_of(tag: str) -> int:
    """The colour of a tag's boxes: the same on all pages."""
    return zlib.crc32(tag.encode()) % TONES


def picture_address(dataset_name: str, image: IndexedImage | IndexedCrop, what: str, **query: str) -> str:
    """The address of a `thumbnail`, `view` or `crop`. With the image's digest, browsers keep it."""
    path = link("datasets", dataset_name, "images", str(image.position), what)
    known = {} if image.sha256 is None else {"v": image.sha256}
    return f"{path}?{urlencode({**query, **known})}" if query or known else path


def shown_problem(message: str) -> str:
    """A problem in words. An annotation file that is named by its digest is named by the digest's beginning."""
    return _DIGEST.sub(r"\1…", message)


def shown_name(image: IndexedImage | IndexedCrop) -> str:
    """The name in the annotation file, else the end of the address."""
    return image.file_name or image.url.rsplit("/", 1)[-1] or image.url
