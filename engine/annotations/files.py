"""The common parts of both kinds of annotation files: images, categories and annotations, and the violations in them."""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeGuard

from vision_customization.contract.coco.document import Violation, parse_json
from vision_customization.contract.enums import Purpose
from vision_customization.contract.limits import DatasetLimits
from vision_customization.contract.names import name_text_fault
from vision_customization.contract.texts import size_fault
from vision_customization.engine.errors import EngineError

_SHOWN_VIOLATIONS = 5
_SHOWN_CHARACTERS = 100
_ID_BITS_MAX = 64


class AnnotationError(EngineError):
    """Annotation files that cannot be used for training or evaluation. The text names file, entry and id of each violation."""


class FileImage(NamedTuple):
    """`place` is the image's place in the files, for messages; `file_name` is empty if the entry has none."""

    url: str
    place: str
    file_name: str


@dataclass(frozen=True, slots=True)
class FileAnnotation:
    """An annotation whose image and category exist: `image_id` is a key of `AnnotationFile.images`, `tag` a name."""

    index: int
    id: int
    image_id: int
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


def read_files(files: Sequence[tuple[str, bytes]], findings: Findings) -> Iterator["AnnotationFile"]:
    """Each file that is a JSON object. For each other file, a violation is added to the findings."""
    for name, data in files:
        document, violation = parse_json(data, name)
        if violation is None and not isinstance(document, dict):
            violation = Violation(name, "must be an object with images, annotations and categories")
        if violation is not None:
            findings.violations.append(violation)
        else:
            yield AnnotationFile(name, document, findings)


class AnnotationFile:
    """An annotation file. `images` by their ids in the file; violations are added to the findings."""

    def __init__(self, name: str, document: Mapping[str, Any], findings: Findings) -> None:
        self.name = name
        self._document = document
        self._findings = findings
        self.images = dict(self._images())
        self._tags = dict(self._categories())

    def annotations(self) -> Iterator[FileAnnotation]:
        """The annotations that refer to images and categories of this file. Iterate once: each pass reports the violations."""
        for index, id_, entry in self._entries("annotations", ids_required=False):
            image_id, category_id = entry.get("image_id"), entry.get("category_id")
            if not _among(image_id, self.images):
                self.refuse(f"image_id {shown(image_id)} is not an image of this file", "annotations", index, id_)
            elif not _among(category_id, self._tags):
                self.refuse(f"category_id {shown(category_id)} is not a category of this file", "annotations", index, id_)
            else:
                yield FileAnnotation(index, id_, image_id, self._tags[category_id], entry)

    def refuse(self, message: str, section: str, index: int | None = None, id_: int | None = None) -> None:
        self._findings.refuse(self.name, message, section, index, id_)

    def _images(self) -> Iterator[tuple[int, FileImage]]:
        limits = self._findings.limits
        for index, id_, entry in self._entries("images"):
            # Exports of Azure ML have both, and only Azure ML can read the coco_url.
            url = entry.get("absolute_url") or entry.get("coco_url")
            if not isinstance(url, str) or not url:
                self.refuse("absolute_url is missing (or coco_url instead)", "images", index, id_)
                continue
            if fault := name_text_fault(url):
                self.refuse(f"absolute_url {shown(url)} {fault}", "images", index, id_)
                continue
            for side in ("width", "height"):
                pixels = entry.get(side)
                if isinstance(pixels, int | float) and (fault := size_fault(limits.side_min, limits.side_max, pixels)):
                    self.refuse(f"{side} {fault}", "images", index, id_)
            name = entry.get("file_name")
            file_name = name if isinstance(name, str) and not name_text_fault(name) else ""
            yield id_, FileImage(url, f"{self.name}: images[{index}] (id {id_})", file_name)

    def _categories(self) -> Iterator[tuple[int, str]]:
        for index, id_, entry in self._entries("categories"):
            tag = entry.get("name")
            if isinstance(tag, str) and tag:
                if fault := name_text_fault(tag):
                    self.refuse(f"name {shown(tag)} {fault}", "categories", index, id_)
                    continue
                yield id_, tag
            else:
                self.refuse("name is missing: expected the tag's name", "categories", index, id_)

    def _entries(self, section: str, *, ids_required: bool = True) -> Iterator[tuple[int, int, Mapping[str, Any]]]:
        """Index, id and object of each entry with an id of its own."""
        entries = self._document.get(section)
        if not isinstance(entries, list):
            self.refuse("is missing" if section not in self._document else "must be a list", section)
            return
        index_of: dict[int, int] = {}
        for index, entry in enumerate(entries):
            if not isinstance(entry, dict):
                self.refuse("must be an object", section, index)
                continue
            id_ = entry.get("id")
            if type(id_) is not int or id_.bit_length() > _ID_BITS_MAX:
                if ids_required or id_ is not None:
                    self.refuse(f"id is {shown(id_)}, must be an integer", section, index)
                    continue
                id_ = -index - 1
            if index_of.setdefault(id_, index) != index:
                self.refuse(f"id is already that of {section}[{index_of[id_]}]", section, index, id_)
                continue
            yield index, id_, entry


def beyond_limits(
    images: int, count_of: Mapping[str, int], label: str, limits: DatasetLimits, purpose: Purpose
) -> list[Violation]:
    """The limits that a whole dataset exceeds.

    Args:
        images: how many it has.
        count_of: tag → how many labels it has.
        label: what is counted: image or object.
    """
    name = "the dataset"
    violations = []
    if images > limits.images_max:
        violations.append(Violation(name, f"has {images:,} images; {purpose} allows at most {limits.images_max:,}"))
    # A test dataset need not have all of the model's tags.
    least = limits.categories_min if purpose is Purpose.TRAINING else 1
    if not least <= len(count_of) <= limits.categories_max:
        tags = f"has {label}s of {len(count_of):,} tags"
        violations.append(Violation(name, f"{tags}, must be {least} to {limits.categories_max:,}"))
    violations += [
        Violation(name, f"has {count} {label} of tag {shown(tag)}, {purpose} needs at least {limits.annotations_per_tag_min}")
        for tag, count in count_of.items()
        if count < limits.annotations_per_tag_min
    ]
    return violations


def told(violations: Sequence[Violation]) -> str:
    """The first violations, as one line of text."""
    first = "; ".join(str(violation) for violation in violations[:_SHOWN_VIOLATIONS])
    more = len(violations) - _SHOWN_VIOLATIONS
    return f"{first}; and {more} more" if more > 0 else first


def shown(value: object) -> str:
    """A value as messages show it: shortened, because a file may contain one of any length and messages are stored and sent."""
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}…"


def _among(value: object, ids: Mapping[int, object]) -> TypeGuard[int]:
    return isinstance(value, Hashable) and value in ids
