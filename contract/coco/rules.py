"""The rules for COCO annotation files, all checked at once.

They are the rules by which the checker published for this service refuses a file, and above them the service's own limits.
Contiguous ids (1 … number of entries) are such a rule: the service's text only says "unique, from 1", but its checker refuses
gaps. If the sources disagree on a maximum, the service's concept page counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from vision_customization.contract.coco.boxes import bbox_problem, is_crowd, no_bbox_problem, shown_as_json
from vision_customization.contract.coco.columns import Integers
from vision_customization.contract.coco.document import (
    Box,
    CocoAnnotation,
    CocoAnnotations,
    CocoFile,
    CocoImage,
    CocoImages,
    Severity,
    Violation,
)
from vision_customization.contract.coco.id_map import IdMap
from vision_customization.contract.coco.streamed import LIST
from vision_customization.contract.enums import AnnotationKind, Purpose
from vision_customization.contract.limits import ANNOTATION_FILES_MAX, BOXES_PER_IMAGE_MAX, DATASET_LIMITS, DatasetLimits
from vision_customization.contract.names import has_control_characters, name_text_fault, near_twins, shown_twins
from vision_customization.contract.texts import counted, size_fault

TINY_BOX_PX = 0.99
"""A side below this is worth a warning: a pixel, minus a tool's rounding error."""


def check_coco(
    document: object, name: str, kind: str, purpose: str = Purpose.TRAINING, *, urls_required: bool = False
) -> tuple[CocoFile | None, list[Violation]]:
    """Check one annotation file against every rule that concerns it alone.

    Args:
        document: the parsed JSON, or what `read_document` gives of a file of any size.
        name: the file's name in violations.
        kind: an `AnnotationKind`.
        purpose: `training` or `evaluation`.
        urls_required: whether images must have a URL, as in a file in blob storage. The images of a local file get theirs when
            they are uploaded.

    Returns:
        The file, or None if an entry could not be read, and the violations of both severities.
    """
    check = _FileCheck(name, kind, DATASET_LIMITS[kind, purpose], urls_required)
    return check.run(document), check.violations


def check_together(files: Sequence[CocoFile], kind: str, purpose: str = Purpose.TRAINING) -> list[Violation]:
    """Check the rules on a whole dataset, whose categories are merged by name: counts of images, tags, annotations per tag."""
    limits = DATASET_LIMITS[kind, purpose]
    name = ", ".join(file.name for file in files)
    violations = []
    if len(files) > ANNOTATION_FILES_MAX:
        violations.append(Violation(name, f"{len(files)} annotation files; at most {ANNOTATION_FILES_MAX} are allowed"))

    images = sum(len(file.images) for file in files)
    if not limits.annotations_per_tag_min <= images <= limits.images_max:
        allowed = f"must be {limits.annotations_per_tag_min} to {limits.images_max:,} for {purpose}"
        violations.append(Violation(name, f"{counted(images, 'image')}, {allowed}", "images"))

    tags = Counter[str]()
    for file in files:
        tags.update(dict.fromkeys(file.categories.values(), 0))
        tags.update(map(file.categories.__getitem__, file.annotations.category_ids))
    if not limits.categories_min <= len(tags) <= limits.categories_max:
        allowed = f"must be {limits.categories_min} to {limits.categories_max:,}"
        names = ": " + ", ".join(sorted(tags)) if 0 < len(tags) < limits.categories_min else ""
        violations.append(Violation(name, f"{counted(len(tags), 'tag')}{names}, {allowed}", "categories"))
    violations += [Violation(name, similar_tags(*pair), "categories", severity=Severity.WARNING) for pair in near_twins(tags)]
    for tag, count in tags.items():
        if count == 0:
            violations.append(Violation(name, unused_tag(tag), "categories", severity=Severity.WARNING))
        elif count < limits.annotations_per_tag_min:
            message = f"tag {tag!r} has {counted(count, 'annotation')}, must have at least {limits.annotations_per_tag_min}"
            violations.append(Violation(name, f"{message} for {purpose}", "categories"))
        elif 0 < limits.images_without_tag_min > images - count:
            without = f"must have at least {limits.images_without_tag_min} images without it for {purpose}"
            message = (
                f"tag {tag!r} is on {count} of {counted(images, 'image')}, {without}: a model can't tell when it is absent"
            )
            violations.append(Violation(name, message, "categories"))
    return violations


def similar_tags(one: str, other: str) -> str:
    return f"{shown_twins(one, other)} are two tags, but differ only by letter case, blanks or Unicode form"


def unused_tag(tag: str) -> str:
    return f"tag {tag!r} has no annotation, so a model can't learn it"


class _FileCheck:
    """One pass over one file. Every entry is checked, even after faults in earlier ones."""

    def __init__(self, name: str, kind: str, limits: DatasetLimits, urls_required: bool) -> None:
        self.name = name
        self.detection = kind == AnnotationKind.IMAGE_OBJECT_DETECTION
        self.multi_label = kind == AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION
        self.limits = limits
        self.urls_required = urls_required
        self.violations: list[Violation] = []
        self._boxed = set[int]()
        """For several tags per image, which ignore boxes: the annotations that have one."""

    def run(self, document: object) -> CocoFile | None:
        if not isinstance(document, Mapping):
            self._refuse(f"is {_json_type(document)}, must be an object with images, annotations and categories")
            return None
        images = CocoImages()
        for entry in self._entries(document, "images"):
            images.append(self._image(*entry))
        categories = [self._category(*entry) for entry in self._entries(document, "categories")]
        annotations = self._annotations(document)
        self._refuse_unknown(annotations, "image_id", annotations.image_ids, "images", len(images))
        self._refuse_unknown(annotations, "category_id", annotations.category_ids, "categories", len(categories))
        self._warn_of_same_names(categories)
        if self.detection:
            self._refuse_crowded(images, annotations)
            self._warn_of_boxes(images, annotations)
        elif self.multi_label:
            annotations = self._each_tag_once(annotations, dict(categories))
        else:
            self._refuse_second_tags(annotations, dict(categories))
        if any(violation.severity is Severity.ERROR for violation in self.violations):
            return None
        return CocoFile(self.name, images, annotations, dict(categories))

    def _refuse(self, message: str, section: str | None = None, index: int | None = None, id_: object = None) -> None:
        self.violations.append(Violation(self.name, message, section, index, id_))

    def _entries(self, document: Mapping[str, Any], section: str) -> Iterator[tuple[int, int, dict[str, Any]]]:
        """Index, id and object of each entry; an id that is not an integer is refused and yielded as 0."""
        entries = document.get(section)
        if not isinstance(entries, LIST):
            self._refuse("is missing" if section not in document else f"is {_json_type(entries)}, must be a list", section)
            return
        last = len(entries)
        index_of = IdMap()
        for index, entry in enumerate(entries):
            if not isinstance(entry, dict):
                self._refuse(f"is {_json_type(entry)}, must be an object", section, index)
                continue
            id_ = entry.get("id")
            if type(id_) is not int:
                self._refuse(f"id {_is(entry, 'id')}, must be an integer from 1 to {last}", section, index)
                id_ = 0
            elif not 1 <= id_ <= last:
                message = f"id must be 1 to {last}, the number of {section}: ids must have no gaps"
                self._refuse(message, section, index, id_)
            elif (first := index_of.setdefault(id_, index)) != index:
                self._refuse(f"id is already used by {section}[{first}]", section, index, id_)
            yield index, id_, entry

    def _image(self, index: int, id_: int, entry: dict[str, Any]) -> CocoImage:
        problems = (
            self._side_problem(entry, "width"),
            self._side_problem(entry, "height"),
            _file_name_problem(entry),
            self._url_problem(entry),
        )
        for problem in problems:
            if problem is not None:
                self._refuse(problem, "images", index, id_ or None)
        file_name = entry.get("file_name")
        self._warn_of_control_characters("file_name", file_name, "images", index, id_)
        url = entry.get("absolute_url") or entry.get("coco_url")
        return CocoImage(
            index, id_, _side(entry, "width"), _side(entry, "height"), file_name if isinstance(file_name, str) else "", url
        )

    def _side_problem(self, entry: dict[str, Any], key: str) -> str | None:
        side = entry.get(key)
        if isinstance(side, bool) or not isinstance(side, int | float):
            return f"{key} {_is(entry, key)}, must be a number of pixels"
        fault = size_fault(self.limits.side_min, self.limits.side_max, side)
        return f"{key} {fault}" if fault else None

    def _url_problem(self, entry: dict[str, Any]) -> str | None:
        if self.urls_required and "absolute_url" not in entry and "coco_url" not in entry:
            return "absolute_url is missing (coco_url is also accepted)"
        return None

    def _category(self, index: int, id_: int, entry: dict[str, Any]) -> tuple[int, str]:
        name = entry.get("name")
        if isinstance(name, str) and name:
            if fault := name_text_fault(name):
                self._refuse(f"name {shown_as_json(name)} {fault}", "categories", index, id_ or None)
            else:
                self._warn_of_control_characters("name", name, "categories", index, id_)
            return id_, name
        self._refuse(f"name {_is(entry, 'name')}, must be the tag's name", "categories", index, id_ or None)
        return id_, ""

    def _annotations(self, document: Mapping[str, Any]) -> CocoAnnotations:
        """In two passes: whether an annotation without a box is a mistake depends on all others."""
        listed = kept = 0
        boxed = False
        of_crowds: list[Violation] = []
        for index, id_, entry in self._entries(document, "annotations"):
            listed += 1
            if self.detection and self._is_crowd(index, id_, entry, of_crowds):
                continue
            kept += 1
            has_box = entry.get("bbox") is not None
            boxed |= self.detection and has_box
            if self.multi_label and has_box:
                self._boxed.add(index)
        self.violations += of_crowds
        if listed and not kept:
            self._refuse(f"all {listed:,} are crowds (iscrowd), so no object remains", "annotations")
        if self.detection and kept and not boxed:  # one message for the file, not one per annotation
            self._refuse(no_bbox_problem(kept), "annotations")
        annotations = CocoAnnotations()
        for index, entry in enumerate(document["annotations"] if listed else ()):
            if isinstance(entry, dict) and not (self.detection and self._is_crowd(index, 0, entry, [])):
                own = entry.get("id")
                annotations.append(self._annotation(index, own if type(own) is int else 0, entry, boxed=boxed))
        return annotations

    def _annotation(self, index: int, id_: int, entry: dict[str, Any], *, boxed: bool) -> CocoAnnotation:
        references = []
        for key in ("image_id", "category_id"):
            reference = entry.get(key)
            if type(reference) is not int:
                self._refuse(f"{key} {_is(entry, key)}, must be an integer", "annotations", index, id_ or None)
                reference = 0
            references.append(reference)
        box = None
        if boxed:
            broken = bbox_problem(entry.get("bbox"))
            if broken is None:
                box = cast("Box", tuple(number + 0.0 for number in entry["bbox"]))
            else:
                self._refuse(broken, "annotations", index, id_ or None)
        return CocoAnnotation(index, id_, references[0], references[1], box)

    def _refuse_unknown(self, annotations: CocoAnnotations, key: str, references: Integers, section: str, last: int) -> None:
        for position, reference in enumerate(references):
            if reference and not 1 <= reference <= last:
                known = f"the ids of {section} are 1 to {last}" if last else f"there are no {section}"
                message = f"{key} {reference}: {known}"
                self._refuse(message, "annotations", annotations.entry(position), annotations.ids[position] or None)

    def _warn_of_same_names(self, categories: Sequence[tuple[int, str]]) -> None:
        first: dict[str, int] = {}
        for index, (id_, name) in enumerate(categories):
            if name and first.setdefault(name, id_) != id_:
                message = f"name {name!r} is also the name of category {first[name]}: both count as one tag"
                self._warn(message, "categories", index, id_ or None)

    def _refuse_second_tags(self, annotations: CocoAnnotations, names: dict[int, str]) -> None:
        first_of = IdMap()
        for position, image_id in enumerate(annotations.image_ids):
            if not image_id or (first := first_of.setdefault(image_id, position)) == position:
                continue
            category_id = annotations.category_ids[first]
            tag = names.get(category_id, category_id)
            message = f"image {image_id} already has the tag {tag!r}, from annotations[{annotations.entry(first)}]"
            self._refuse(
                f"{message}: only one tag per image is allowed, except in a dataset of kind "
                f"{AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION}",
                "annotations",
                annotations.entry(position),
                annotations.ids[position] or None,
            )

    def _each_tag_once(self, annotations: CocoAnnotations, names: dict[int, str]) -> CocoAnnotations:
        """The annotations without those that repeat a tag of their image. A file with boxes has one for each object, so only a
        repetition without a box is probably a mistake."""
        first: dict[tuple[int, str], int] = {}
        kept = CocoAnnotations()
        for annotation in annotations:
            other = first.setdefault((annotation.image_id, names.get(annotation.category_id, "")), annotation.index)
            if other == annotation.index:
                kept.append(annotation)
            elif annotation.index not in self._boxed:
                message = f"repeats the tag of annotations[{other}] for the same image: both count once"
                self._warn(message, "annotations", annotation.index, annotation.id or None)
        return kept

    def _is_crowd(self, index: int, id_: int, entry: dict[str, Any], violations: list[Violation]) -> bool:
        try:
            if not is_crowd(entry):
                return False
        except ValueError as error:
            violations.append(Violation(self.name, str(error), "annotations", index, id_ or None))
            return False
        message = "is a crowd (iscrowd) and not a single object, so it is skipped"
        violations.append(Violation(self.name, message, "annotations", index, id_ or None, Severity.WARNING))
        return True

    def _refuse_crowded(self, images: CocoImages, annotations: CocoAnnotations) -> None:
        boxes = Counter(annotations.image_ids)
        for image in images:
            if image.id and boxes[image.id] > BOXES_PER_IMAGE_MAX:
                message = f"{image.file_name} has {boxes[image.id]:,} boxes; at most {BOXES_PER_IMAGE_MAX:,} are allowed"
                self._refuse(message, "images", image.index, image.id)

    def _warn_of_boxes(self, images: CocoImages, annotations: CocoAnnotations) -> None:
        """Warn of boxes that are valid but probably a mistake: smaller than a pixel, or listed twice."""
        by_id = {id_: position for position, id_ in enumerate(images.ids)}
        first: dict[tuple[int, int, Box], int] = {}
        for annotation in annotations:
            position = by_id.get(annotation.image_id)
            if annotation.box is None or position is None:
                continue
            image = images[position]
            if not (self._has_size(image.width) and self._has_size(image.height)):
                continue
            width, height = annotation.box[2] * image.width, annotation.box[3] * image.height
            if min(width, height) < TINY_BOX_PX:
                message = (
                    f"bbox is {width:.2g} × {height:.2g} px of {image.file_name}: a box smaller than a pixel shows nothing"
                )
                self._warn(message, "annotations", annotation.index, annotation.id or None)
            other = first.setdefault((annotation.image_id, annotation.category_id, annotation.box), annotation.index)
            if other != annotation.index:
                message = f"repeats annotations[{other}] (same image, tag and bbox): both count as one object"
                self._warn(message, "annotations", annotation.index, annotation.id or None)

    def _has_size(self, side: object) -> bool:
        return isinstance(side, int | float) and self.limits.side_min <= side <= self.limits.side_max

    def _warn_of_control_characters(self, key: str, text: object, section: str, index: int, id_: int) -> None:
        if isinstance(text, str) and name_text_fault(text) is None and has_control_characters(text):
            self._warn(f"{key} {text!r} has control characters", section, index, id_ or None)

    def _warn(self, message: str, section: str, index: int, id_: object) -> None:
        self.violations.append(Violation(self.name, message, section, index, id_, Severity.WARNING))


def _side(entry: dict[str, Any], key: str) -> float:
    """A side in pixels; 0 if it is not a number."""
    side = entry.get(key)
    return side if isinstance(side, int | float) and not isinstance(side, bool) else 0


def _file_name_problem(entry: dict[str, Any]) -> str | None:
    file_name = entry.get("file_name")
    if isinstance(file_name, str) and file_name:
        fault = name_text_fault(file_name)
        return f"file_name {shown_as_json(file_name)} {fault}" if fault else None
    return f"file_name {_is(entry, 'file_name')}, must be the image's path"


def _is(entry: dict[str, Any], key: str) -> str:
    """`is <value>` or `is missing`: what an entry has under a key."""
    return f"is {shown_as_json(entry[key])}" if key in entry else "is missing"


def _json_type(value: object) -> str:
    for kind, name in ((bool, "true or false"), (str, "text"), (LIST, "a list"), (dict, "an object"), (type(None), "null")):
        if isinstance(value, kind):
            return name
    return "a number"
