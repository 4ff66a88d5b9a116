"""COCO annotation files as the engine reads them: several files become one list of images with their tags.

Less strict than the checker that users run before (`customization.coco_check`): ids need be unique, not without gaps, as
published COCO files have them. What could not be trained on is refused.
"""

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeGuard

from customization.coco import Purpose, Violation, parse_json
from customization.coco_check import LIMITS, Limits
from customization.contract import AnnotationKind
from engine.errors import EngineError

_SHOWN_VIOLATIONS = 5
_SHOWN_CHARACTERS = 100
_ID_BITS_MAX = 64


class AnnotationError(EngineError):
    """Annotation files that cannot be trained on or evaluated with. The text names file, entry and id of what is wrong."""


@dataclass(frozen=True, slots=True)
class TaggedImage:
    """An image of one tag. `tag` is a position in `Annotations.tags`; `place` says where it stands, for messages."""

    url: str
    tag: int
    place: str


@dataclass(frozen=True, slots=True)
class Annotations:
    """What the annotation files of a dataset hold together. Tags without images, and images without tags, are left out. Tags
    are sorted, so that the order of files and entries makes no difference."""

    tags: tuple[str, ...]
    images: tuple[TaggedImage, ...]


def read_classification(files: Sequence[tuple[str, bytes]], purpose: Purpose) -> Annotations:
    """Merge annotation files: categories by their names, images by their URLs.

    Args:
        files: name (for messages) and content of each.
        purpose: the limits of the two differ.

    Raises:
        AnnotationError: names the first violations.
    """
    limits = LIMITS[AnnotationKind.IMAGE_CLASSIFICATION.value, purpose]
    reading = _Reading(limits)
    for name, data in files:
        document, violation = parse_json(data, name)
        if violation is not None:
            reading.violations.append(violation)
        else:
            reading.add(name, document)
    annotations = reading.annotations()
    if not reading.violations:
        reading.violations += _beyond_limits(annotations, limits, purpose)
    if reading.violations:
        raise AnnotationError(_told(reading.violations))
    return annotations


@dataclass
class _Reading:
    """The files read so far."""

    limits: Limits
    violations: list[Violation] = field(default_factory=list)
    tags: dict[str, int] = field(default_factory=dict)
    images: dict[str, TaggedImage] = field(default_factory=dict)

    def add(self, name: str, document: Any) -> None:  # noqa: ANN401 - whatever the JSON holds
        if not isinstance(document, dict):
            self.violations.append(Violation(name, "must be an object with images, annotations and categories"))
            return
        urls = dict(self._images(name, document))
        names = dict(self._categories(name, document))
        tag_of: dict[int, str] = {}
        for index, id_, entry in self._entries(name, document, "annotations", ids_required=False):
            image_id, category_id = entry.get("image_id"), entry.get("category_id")
            if not _among(image_id, urls):
                self._refuse(name, f"image_id {shown(image_id)} is no image of this file", "annotations", index, id_)
            elif not _among(category_id, names):
                self._refuse(name, f"category_id {shown(category_id)} is no category of this file", "annotations", index, id_)
            elif tag_of.setdefault(image_id, names[category_id]) != names[category_id]:
                message = (
                    f"image {image_id} has the tags {shown(tag_of[image_id])} and {shown(names[category_id])}: one tag an image"
                )
                self._refuse(name, message, "annotations", index, id_)
        for image_id, tag in tag_of.items():
            url, place = urls[image_id]
            image = TaggedImage(url, self.tags.setdefault(tag, len(self.tags)), place)
            first = self.images.setdefault(url, image)
            if first.tag != image.tag:
                self.violations.append(Violation(place, f"is {first.place}, too, with another tag ({shown(tag)})"))

    def annotations(self) -> Annotations:
        tags = sorted(self.tags)
        number = {self.tags[tag]: index for index, tag in enumerate(tags)}
        return Annotations(tuple(tags), tuple(replace(image, tag=number[image.tag]) for image in self.images.values()))

    def _images(self, name: str, document: Mapping[str, Any]) -> Iterator[tuple[int, tuple[str, str]]]:
        for index, id_, entry in self._entries(name, document, "images"):
            # Exports of Azure ML hold both, and a coco_url that only Azure ML can read.
            url = entry.get("absolute_url") or entry.get("coco_url")
            if not isinstance(url, str) or not url:
                self._refuse(name, "absolute_url is missing (coco_url would do, too)", "images", index, id_)
                continue
            for side in ("width", "height"):
                pixels = entry.get(side)
                if isinstance(pixels, int | float) and not self.limits.side_min <= pixels <= self.limits.side_max:
                    allowed = f"{self.limits.side_min} to {self.limits.side_max:,}"
                    self._refuse(name, f"{side} is {shown(pixels)} px, must be {allowed}", "images", index, id_)
            yield id_, (url, f"{name}: images[{index}] (id {id_})")

    def _categories(self, name: str, document: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
        for index, id_, entry in self._entries(name, document, "categories"):
            tag = entry.get("name")
            if isinstance(tag, str) and tag:
                yield id_, tag
            else:
                self._refuse(name, "name is missing, must be the tag's name", "categories", index, id_)

    def _entries(
        self, name: str, document: Mapping[str, Any], section: str, *, ids_required: bool = True
    ) -> Iterator[tuple[int, int, Mapping[str, Any]]]:
        """Index, id and object of each entry with an id of its own."""
        entries = document.get(section)
        if not isinstance(entries, list):
            problem = "is missing" if section not in document else "must be a list"
            self.violations.append(Violation(name, problem, section))
            return
        index_of: dict[int, int] = {}
        for index, entry in enumerate(entries):
            if not isinstance(entry, dict):
                self._refuse(name, "must be an object", section, index)
                continue
            id_ = entry.get("id")
            if type(id_) is not int or id_.bit_length() > _ID_BITS_MAX:
                if ids_required or id_ is not None:
                    self._refuse(name, f"id is {shown(id_)}, must be an integer", section, index)
                    continue
                id_ = -index - 1
            if index_of.setdefault(id_, index) != index:
                self._refuse(name, f"id is that of {section}[{index_of[id_]}], too", section, index, id_)
                continue
            yield index, id_, entry

    def _refuse(self, name: str, message: str, section: str, index: int, id_: int | None = None) -> None:
        self.violations.append(Violation(name, message, section, index, id_ if id_ is None or id_ >= 0 else None))


def _beyond_limits(annotations: Annotations, limits: Limits, purpose: Purpose) -> list[Violation]:
    name = "the dataset"
    images, tags = len(annotations.images), len(annotations.tags)
    if images == 0:
        return [Violation(name, f"has no image with a tag; {purpose} needs some")]
    violations = []
    if images > limits.images_max:
        violations.append(Violation(name, f"has {images:,} images, at most {limits.images_max:,} are taken for {purpose}"))
    # A test dataset need not have each of the model's tags.
    least = limits.categories_min if purpose is Purpose.TRAINING else 1
    if not least <= tags <= limits.categories_max:
        violations.append(Violation(name, f"has images of {tags:,} tags, must be {least} to {limits.categories_max:,}"))
    counts = Counter(image.tag for image in annotations.images)
    violations += [
        Violation(
            name, f"has {counts[index]} image of tag {shown(tag)}, {purpose} needs at least {limits.annotations_per_tag_min}"
        )
        for index, tag in enumerate(annotations.tags)
        if counts[index] < limits.annotations_per_tag_min
    ]
    return violations


def _among(value: object, ids: Mapping[int, object]) -> TypeGuard[int]:
    return isinstance(value, Hashable) and value in ids


def shown(value: object) -> str:
    """A value as a message shows it: a file may hold one of any length, and a message is kept and sent."""
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}…"


def _told(violations: Sequence[Violation]) -> str:
    told = "; ".join(str(violation) for violation in violations[:_SHOWN_VIOLATIONS])
    more = len(violations) - _SHOWN_VIOLATIONS
    return f"{told}; and {more} more" if more > 0 else told
