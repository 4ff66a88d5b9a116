"""One annotation file on its way into a dataset's content: its entries, and their references once all sections are read."""

import math
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

from vision_customization.contract.coco.boxes import bbox_problem, no_bbox_problem
from vision_customization.contract.coco.document import Violation
from vision_customization.contract.enums import AnnotationKind, ProblemKind
from vision_customization.contract.limits import DatasetLimits
from vision_customization.engine.annotations.classification import other_tag, several_tags
from vision_customization.engine.annotations.detection import BboxState, bbox_of
from vision_customization.engine.annotations.entries import KEYS, Entry, SectionBegins, read_entries
from vision_customization.engine.annotations.files import (
    MISSING,
    NOT_A_LIST,
    NOT_AN_OBJECT,
    AnnotationError,
    file_name_of,
    id_fault,
    id_of,
    repeated_id,
    side_faults,
    tag_fault,
    unknown_category,
    unknown_image,
    url_fault,
    url_of,
)
from vision_customization.engine.annotations.problems import Problems
from vision_customization.engine.annotations.scratch import NO_BOX, AnnotationRow, ImageId, Scratch, key_of, shown_key

TOLD_ENTRIES = 1000
"""After how many entries `told` is called again."""


class ContentFile:
    """Reads one file into `scratch` and `problems`.

    Args:
        name: the file's name in messages.
        told: called now and then with the number of the dataset's images so far.
    """

    def __init__(
        self,
        name: str,
        kind: AnnotationKind,
        limits: DatasetLimits,
        scratch: Scratch,
        problems: Problems,
        told: Callable[[int], None],
    ) -> None:
        self._name = name
        self._kind = kind
        self._limits = limits
        self._scratch = scratch
        self._problems = problems
        self._told = told

    def read(self, file: BinaryIO) -> None:
        """Raises AnnotationError if the file is not a JSON object, or has a section twice."""
        self._scratch.begin_file()
        sections = set[str]()
        take = {"images": self._image, "categories": self._category, "annotations": self._annotation}
        for count, item in enumerate(read_entries(file, self._name)):
            if count % TOLD_ENTRIES == 0:
                self._told(self._scratch.images)
            if isinstance(item, Entry):
                if item.content is None:
                    self._wrong(ProblemKind.ENTRY, NOT_AN_OBJECT, item.section, item.number)
                else:
                    take[item.section](item.number, item.content)
            else:
                self._begin(item, sections)
        for section in KEYS:
            if section not in sections:
                self._wrong(ProblemKind.ENTRY, MISSING, section)
        self._resolve()

    def _begin(self, section: SectionBegins, sections: set[str]) -> None:
        if section.name in sections:
            raise AnnotationError(str(Violation(self._name, f"has the key '{section.name}' twice")))
        sections.add(section.name)
        if not section.is_list:
            self._wrong(ProblemKind.ENTRY, NOT_A_LIST, section.name)

    def _image(self, index: int, entry: Mapping[str, Any]) -> None:
        id_ = self._id("images", index, entry)
        if id_ is None:
            return
        url = url_of(entry)
        if fault := url_fault(url):
            self._scratch.add_image_id(id_, index, None)
            self._wrong(ProblemKind.ENTRY, fault, "images", index, id_)
            return
        assert isinstance(url, str)
        sides = _pixels(entry.get("width")), _pixels(entry.get("height"))
        position = self._scratch.add_image(url, file_name_of(entry), *sides, self._place(index, id_))
        self._scratch.add_image_id(id_, index, position)
        for fault in side_faults(entry, self._limits):
            self._wrong(ProblemKind.SIZE, fault, "images", index, id_, position)

    def _category(self, index: int, entry: Mapping[str, Any]) -> None:
        id_ = self._id("categories", index, entry)
        if id_ is None:
            return
        name = entry.get("name")
        if fault := tag_fault(name):
            self._scratch.add_category_id(id_, index, None)
            self._wrong(ProblemKind.ENTRY, fault, "categories", index, id_)
        else:
            assert isinstance(name, str)
            self._scratch.add_category_id(id_, index, self._scratch.add_tag(name))

    def _annotation(self, index: int, entry: Mapping[str, Any]) -> None:
        id_ = self._id("annotations", index, entry)
        if id_ is None:
            return
        state, fault, box = bbox_of(entry) if self._boxed else (BboxState.ABSENT, None, None)
        references = key_of(entry.get("image_id")), key_of(entry.get("category_id"))
        self._scratch.add_annotation(AnnotationRow(index, key_of(id_), *references, state, fault, box or NO_BOX))

    @property
    def _boxed(self) -> bool:
        return self._kind is AnnotationKind.IMAGE_OBJECT_DETECTION

    def _id(self, section: str, index: int, entry: Mapping[str, Any]) -> int | None:
        """The entry's own id, if it has one."""
        id_ = id_of(entry, index, required=section != "annotations")
        if id_ is None:
            self._wrong(ProblemKind.ENTRY, id_fault(entry), section, index)
            return None
        first = self._scratch.entry_of(section, id_)
        if first is not None:
            self._wrong(ProblemKind.ENTRY, repeated_id(section, first), section, index, id_)
            return None
        return id_

    def _resolve(self) -> None:
        """Give the images the labels of the annotations, which may come before images and categories."""
        unboxed, tells_of_boxes = 0, False
        for count, annotation in enumerate(self._scratch.annotations()):
            if count % TOLD_ENTRIES == 0:
                self._told(self._scratch.images)
            found = self._found(annotation)
            if found is None:
                continue
            image, tag = found
            if self._boxed:
                state = BboxState(annotation.state)
                tells_of_boxes |= state.tells_of_boxes
                unboxed += state is BboxState.ABSENT
                if annotation.fault is not None:
                    self._wrong_of(annotation, ProblemKind.BOX, annotation.fault, image.position)
                elif state is BboxState.GOOD:
                    self._scratch.add_label(image.position, tag, annotation.box)
            else:
                if self._kind is AnnotationKind.IMAGE_CLASSIFICATION:
                    self._check_single(annotation, image, tag)
                self._scratch.add_label(image.position, tag)
        if unboxed and not tells_of_boxes:
            self._wrong(ProblemKind.BOX, no_bbox_problem(unboxed), "annotations")
        elif unboxed:
            self._refuse_unboxed()

    def _found(self, annotation: AnnotationRow) -> tuple[ImageId, int] | None:
        """The image and the tag that an annotation names."""
        image = self._scratch.image_of(annotation.image_id)
        if image is None:
            self._wrong_of(annotation, ProblemKind.REFERENCE, unknown_image(shown_key(annotation.image_id)))
            return None
        tag = self._scratch.tag_of(annotation.category_id)
        if tag is None:
            message = unknown_category(shown_key(annotation.category_id))
            self._wrong_of(annotation, ProblemKind.REFERENCE, message, image.position)
            return None
        return image, tag

    def _refuse_unboxed(self) -> None:
        for annotation in self._scratch.annotations():
            if annotation.state != BboxState.ABSENT:
                continue
            image = self._scratch.image_of(annotation.image_id)
            if image is not None and self._scratch.tag_of(annotation.category_id) is not None:
                self._wrong_of(annotation, ProblemKind.BOX, bbox_problem(None) or "", image.position)

    def _check_single(self, annotation: AnnotationRow, image: ImageId, tag: int) -> None:
        """One tag per image: neither another annotation nor another entry of its URL may give another one."""
        scratch = self._scratch
        if image.tag is None:
            scratch.set_tag_of(annotation.image_id, tag)
            place = self._place(image.entry, annotation.image_id)
            first, first_place = scratch.first_tag(image.position, tag, place)
            if first != tag:
                violation = Violation(place, other_tag(first_place, scratch.tag_name(tag)))
                self._add(ProblemKind.OTHER_TAGS, violation, image.position)
        elif image.tag != tag:
            message = several_tags(annotation.image_id, scratch.tag_name(image.tag), scratch.tag_name(tag))
            self._wrong_of(annotation, ProblemKind.SEVERAL_TAGS, message, image.position)

    def _place(self, index: int, image_id: object) -> str:
        return f"{self._name}: images[{index}] (id {image_id})"

    def _wrong_of(self, annotation: AnnotationRow, kind: ProblemKind, message: str, position: int | None = None) -> None:
        self._wrong(kind, message, "annotations", annotation.entry, annotation.id, position)

    def _wrong(
        self,
        kind: ProblemKind,
        message: str,
        section: str,
        index: int | None = None,
        id_: int | None = None,
        position: int | None = None,
    ) -> None:
        # A negative id means that the entry has none of its own.
        own = id_ if isinstance(id_, int) and id_ >= 0 else None
        self._add(kind, Violation(self._name, message, section, index, own), position)

    def _add(self, kind: ProblemKind, violation: Violation, position: int | None) -> None:
        self._problems.add(kind, violation, position)
        if position is not None:
            self._scratch.add_fault(position, kind.value)


def _pixels(side: object) -> float | None:
    """A claimed side that can be stored and shown; None for any other."""
    if isinstance(side, bool) or not isinstance(side, int | float):
        return None
    try:
        return float(side) if math.isfinite(side) else None
    except OverflowError:
        return None
