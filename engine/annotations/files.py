"""The common parts of both kinds of annotation files: images, categories and annotations, and the violations in them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, TypeGuard

from vision_customization.contract.coco.document import Violation
from vision_customization.contract.coco.id_map import IdMap
from vision_customization.contract.coco.streamed import LIST, read_document
from vision_customization.contract.enums import Purpose
from vision_customization.contract.limits import DatasetLimits
from vision_customization.contract.names import name_text_fault
from vision_customization.contract.texts import size_fault
from vision_customization.engine.annotations.images import ImageEntries
from vision_customization.engine.errors import EngineError

DATASET = "the dataset"
"""Where a violation of all files together is."""

NOT_A_DOCUMENT = "must be an object with images, annotations and categories"
MISSING, NOT_A_LIST, NOT_AN_OBJECT = "is missing", "must be a list", "must be an object"

_SHOWN_VIOLATIONS = 5
_SHOWN_CHARACTERS = 100
_ID_BITS_MAX = 64


class AnnotationError(EngineError):
    """Annotation files that cannot be used for training or evaluation. The text names file, entry and id of each violation."""


@dataclass(frozen=True, slots=True)
class FileAnnotation:
    """An annotation whose image and category exist: `image` is a number of `ImageEntries`, `image_id` what the file calls it,
    and `tag` a name."""

    index: int
    id: int
    image: int
    image_id: object
    tag: str
    entry: Mapping[str, Any]


@dataclass
class Findings:
    """The violations in the files read so far."""

    limits: DatasetLimits
    violations: list[Violation] = field(default_factory=list)

    def conclude(self, beyond_limits: Callable[[], list[Violation]]) -> None:
        """Raises AnnotationError if there are violations; calls `beyond_limits` only if there are no others."""
        self.violations = self.violations or beyond_limits()
        if self.violations:
            raise AnnotationError(told(self.violations))

    def refuse(self, name: str, message: str, section: str, index: int | None = None, id_: int | None = None) -> None:
        """Record that an entry is wrong. A negative id means that the entry has no id of its own."""
        self.violations.append(Violation(name, message, section, index, id_ if id_ is None or id_ >= 0 else None))


def read_files(files: Sequence[tuple[str, BinaryIO]], findings: Findings, images: ImageEntries) -> Iterator["AnnotationFile"]:
    """Each file that is a JSON object. For each other file, a violation is added to the findings."""
    for name, content in files:
        document, violation = read_document(content, name)
        if violation is None and not isinstance(document, Mapping):
            violation = Violation(name, NOT_A_DOCUMENT)
        if violation is not None:
            findings.violations.append(violation)
        else:
            yield AnnotationFile(name, document, findings, images)


class AnnotationFile:
    """An annotation file. `images` are the numbers of its images in the `ImageEntries`, to which they are added; violations are
    added to the findings."""

    def __init__(self, name: str, document: Mapping[str, Any], findings: Findings, images: ImageEntries) -> None:
        self.name = name
        self._document = document
        self._findings = findings
        self._number_of = IdMap()
        images.begin_file(name)
        self.images = self._add_images(images)
        self._tags = dict(self._categories())

    def annotations(self) -> Iterator[FileAnnotation]:
        """The annotations that refer to images and categories of this file. Iterate once: each pass reports the violations."""
        for index, id_, entry in self._entries("annotations", ids_required=False):
            image_id, category_id = entry.get("image_id"), entry.get("category_id")
            image = self._number_of.find(image_id)
            if image is None:
                self.refuse(unknown_image(shown(image_id)), "annotations", index, id_)
            elif (tag := self._tags.get(category_id) if _can_be_id(category_id) else None) is None:
                self.refuse(unknown_category(shown(category_id)), "annotations", index, id_)
            else:
                yield FileAnnotation(index, id_, image, image_id, tag, entry)

    def refuse(self, message: str, section: str, index: int | None = None, id_: int | None = None) -> None:
        self._findings.refuse(self.name, message, section, index, id_)

    def _add_images(self, images: ImageEntries) -> range:
        first = len(images)
        for index, id_, entry in self._entries("images"):
            url = url_of(entry)
            if fault := url_fault(url):
                self.refuse(fault, "images", index, id_)
                continue
            assert isinstance(url, str)
            for fault in side_faults(entry, self._findings.limits):
                self.refuse(fault, "images", index, id_)
            self._number_of.setdefault(id_, images.append(url, file_name_of(entry), index, id_))
        return range(first, len(images))

    def _categories(self) -> Iterator[tuple[int, str]]:
        for index, id_, entry in self._entries("categories"):
            tag = entry.get("name")
            if fault := tag_fault(tag):
                self.refuse(fault, "categories", index, id_)
            else:
                assert isinstance(tag, str)
                yield id_, tag

    def _entries(self, section: str, *, ids_required: bool = True) -> Iterator[tuple[int, int, Mapping[str, Any]]]:
        """Index, id and object of each entry with an id of its own."""
        entries = self._document.get(section)
        if not isinstance(entries, LIST):
            self.refuse(MISSING if section not in self._document else NOT_A_LIST, section)
            return
        index_of = IdMap()
        for index, entry in enumerate(entries):
            if not isinstance(entry, dict):
                self.refuse(NOT_AN_OBJECT, section, index)
                continue
            id_ = id_of(entry, index, required=ids_required)
            if id_ is None:
                self.refuse(id_fault(entry), section, index)
                continue
            first = index_of.setdefault(id_, index)
            if first != index:
                self.refuse(repeated_id(section, first), section, index, id_)
                continue
            yield index, id_, entry


def id_of(entry: Mapping[str, Any], index: int, *, required: bool) -> int | None:
    """The id of entry number `index`; None if it is not an integer of at most 64 bits. An entry without an id that needs none
    gets a negative one."""
    id_ = entry.get("id")
    if type(id_) is int and id_.bit_length() <= _ID_BITS_MAX:
        return id_
    return -index - 1 if id_ is None and not required else None


def id_fault(entry: Mapping[str, Any]) -> str:
    return f"id is {shown(entry.get('id'))}, must be an integer"


def repeated_id(section: str, first: int) -> str:
    return f"id is already that of {section}[{first}]"


def url_of(entry: Mapping[str, Any]) -> object:
    """The address of an image, whatever it is. Exports of Azure ML have both keys, and only Azure ML can read the coco_url."""
    return entry.get("absolute_url") or entry.get("coco_url")


def url_fault(url: object) -> str | None:
    """Why an image can't have this address; None if it can."""
    if not isinstance(url, str) or not url:
        return "absolute_url is missing (or coco_url instead)"
    fault = name_text_fault(url)
    return f"absolute_url {shown(url)} {fault}" if fault else None


def side_faults(entry: Mapping[str, Any], limits: DatasetLimits) -> list[str]:
    """What is wrong with the `width` and `height` that an image claims to have."""
    sides = ((side, entry.get(side)) for side in ("width", "height"))
    return [
        f"{side} {fault}"
        for side, pixels in sides
        if isinstance(pixels, int | float) and (fault := size_fault(limits.side_min, limits.side_max, pixels))
    ]


def file_name_of(entry: Mapping[str, Any]) -> str:
    """An image's `file_name`; empty if it has none that can be stored."""
    name = entry.get("file_name")
    return name if isinstance(name, str) and not name_text_fault(name) else ""


def tag_fault(name: object) -> str | None:
    """Why this can't be a category's name; None if it can."""
    if not isinstance(name, str) or not name:
        return "name is missing: expected the tag's name"
    fault = name_text_fault(name)
    return f"name {shown(name)} {fault}" if fault else None


def unknown_image(shown_id: str) -> str:
    return f"image_id {shown_id} is not an image of this file"


def unknown_category(shown_id: str) -> str:
    return f"category_id {shown_id} is not a category of this file"


def beyond_limits(
    images: int, count_of: Mapping[str, int], label: str, limits: DatasetLimits, purpose: Purpose
) -> list[Violation]:
    """The limits that a whole dataset exceeds.

    Args:
        images: how many it has.
        count_of: tag → how many labels it has.
        label: what is counted: image or object.
    """
    return [
        *too_many(images, len(count_of), label, limits, purpose),
        *too_few_labels(count_of.items(), label, limits, purpose),
    ]


def too_many(images: int, tags: int, label: str, limits: DatasetLimits, purpose: Purpose) -> list[Violation]:
    """The violations of a dataset with this number of images, and of tags that have labels."""
    violations = []
    if images > limits.images_max:
        violations.append(Violation(DATASET, f"has {images:,} images; {purpose} allows at most {limits.images_max:,}"))
    # A test dataset need not have all of the model's tags.
    least = limits.categories_min if purpose is Purpose.TRAINING else 1
    if not least <= tags <= limits.categories_max:
        violations.append(Violation(DATASET, f"has {label}s of {tags:,} tags, must be {least} to {limits.categories_max:,}"))
    return violations


def too_few_labels(
    count_of: Iterable[tuple[str, int]], label: str, limits: DatasetLimits, purpose: Purpose
) -> Iterator[Violation]:
    """A violation for each tag that has fewer labels than the minimum."""
    least = limits.annotations_per_tag_min
    for tag, count in count_of:
        if count < least:
            yield Violation(DATASET, f"has {count} {label} of tag {shown(tag)}, {purpose} needs at least {least}")


def no_image_with_a_tag(purpose: Purpose) -> Violation:
    return Violation(DATASET, f"has no image with a tag; {purpose} needs at least one")


def told(violations: Sequence[Violation]) -> str:
    """The first violations, as one line of text."""
    first = "; ".join(str(violation) for violation in violations[:_SHOWN_VIOLATIONS])
    more = len(violations) - _SHOWN_VIOLATIONS
    return f"{first}; and {more} more" if more > 0 else first


def shown(value: object) -> str:
    """A value as messages show it: shortened, because a file may contain one of any length and messages are stored and sent."""
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}…"


def _can_be_id(value: object) -> TypeGuard[int]:
    return isinstance(value, int | float)
