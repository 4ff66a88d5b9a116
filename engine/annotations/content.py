"""What a dataset's annotation files hold, image by image, with all that is wrong: for people who look at it.

The other readers of this package refuse files that break a rule, and hold them in memory. This one applies the same rules,
keeps what can be understood, and reads files of any size.
"""

from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, Self

from vision_customization.common.dataset_content.blob_names import stored_name
from vision_customization.common.dataset_content.manifest import ContentDigest
from vision_customization.contract.coco.document import Violation
from vision_customization.contract.coco.rules import similar_tags, unused_tag
from vision_customization.contract.enums import AnnotationKind, ProblemKind, Purpose
from vision_customization.contract.limits import DATASET_LIMITS
from vision_customization.contract.names import near_twins
from vision_customization.engine.annotations.content_file import TOLD_ENTRIES, ContentFile
from vision_customization.engine.annotations.detection import box_count_fault, no_object
from vision_customization.engine.annotations.files import DATASET, no_image_with_a_tag, too_few_labels, too_many
from vision_customization.engine.annotations.multi_label import on_every_image
from vision_customization.engine.annotations.problems import Problems
from vision_customization.engine.annotations.scratch import Box4, ImageRow, Scratch

LABELS_PER_IMAGE_MAX = 2500
"""How many labels of an image are kept: the rules allow 1,000 boxes, or all of 2,500 tags."""


_LEFT_OUT = (ProblemKind.ENTRY, ProblemKind.REFERENCE, ProblemKind.BOX, ProblemKind.OTHER_TAGS)
"""Problems of what the content does not have, or has otherwise than a file says."""


class FoundLabel(NamedTuple):
    """`tag` is a position in `DatasetContent.tags`; `box` is left, top, width and height as fractions, for detection."""

    tag: int
    box: Box4 | None


class FoundImage(NamedTuple):
    """An image, by its place in the files: the first is 0. `width` and `height` are as the file claims."""

    position: int
    url: str
    file_name: str
    width: float | None
    height: float | None
    labels: list[FoundLabel]
    problems: list[ProblemKind]


class FoundTag(NamedTuple):
    """A category, with how many images have it and how many labels there are of it."""

    name: str
    images: int
    labels: int


class DatasetContent:
    """The files of one dataset: `add` each, iterate over `images`, then `conclude`.

    Args:
        folder: for a file of about the size of the annotation files, which has no name and ends with the process.
        told: called now and then with the number of images so far; an exception that it raises ends the reading.
    """

    def __init__(
        self, folder: Path, kind: AnnotationKind, purpose: Purpose, told: Callable[[int], None] = lambda _images: None
    ) -> None:
        self._kind = kind
        self._purpose = purpose
        self._limits = DATASET_LIMITS[kind.value, purpose]
        self._told = told
        self._scratch = Scratch(folder)
        self._images_of = array("q")
        self._labels_of = array("q")
        self._digest: ContentDigest | None = ContentDigest(kind)
        self.problems = Problems()
        self.image_count = 0
        self.unlabelled_count = 0
        self.label_count = 0

    def close(self) -> None:
        self._scratch.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, file: BinaryIO, name: str) -> None:
        """Read an annotation file, which `name` stands for in messages.

        Raises AnnotationError if it is not a JSON object, or has a section twice.
        """
        ContentFile(name, self._kind, self._limits, self._scratch, self.problems, self._told).read(file)

    def images(self) -> Iterator[FoundImage]:
        """All images by position, each with its labels by tag. Iterate once, after the last file."""
        position_of = array("q", [0]) * (self._scratch.tags + 1)
        for position, (number, _) in enumerate(self._scratch.tags_by_name()):
            position_of[number] = position
        self._images_of, self._labels_of = (array("q", [0]) * self._scratch.tags for _ in range(2))
        names = self.tag_names()
        labels, faults = self._scratch.all_labels(), self._scratch.all_faults()
        label, fault = next(labels, None), next(faults, None)
        for row in self._scratch.all_images():
            if row.position % TOLD_ENTRIES == 0:
                self._told(self._scratch.images)
            own: list[FoundLabel] = []
            count = 0
            while label is not None and label.position == row.position:
                count += 1
                if count <= LABELS_PER_IMAGE_MAX:
                    own.append(FoundLabel(position_of[label.tag], label.box))
                label = next(labels, None)
            problems: list[ProblemKind] = []
            while fault is not None and fault[0] == row.position:
                problems.append(ProblemKind(fault[1]))
                fault = next(faults, None)
            own.sort()
            self._count(own)
            self._check_image(row, count, problems)
            self._add_to_digest(row.url, own, names)
            yield FoundImage(row.position, row.url, row.file_name, row.width, row.height, own, problems)

    def tag_names(self) -> list[str]:
        """The names of all categories, sorted."""
        return [name for _, name in self._scratch.tags_by_name()]

    def tags(self) -> Iterator[FoundTag]:
        """All categories, sorted by name, with the counts of the images iterated over."""
        for position, (_, name) in enumerate(self._scratch.tags_by_name()):
            yield FoundTag(name, self._images_of[position], self._labels_of[position])

    @property
    def digest(self) -> str | None:
        """The digest of the images iterated over, as a dataset's manifest has it; None if an image is not stored under the name
        of its content, or if something in the files was left out. An image that is listed twice, with the same URL, counts
        once."""
        if self._digest is None or any(self.problems.counts[kind] for kind in _LEFT_OUT):
            return None
        return self._digest.hexdigest()

    def conclude(self) -> None:
        """Add the problems of the dataset as a whole. Call it once, after the iteration over the images."""
        if self.label_count:
            self._check_limits()
        elif self._boxed:
            self.problems.add(ProblemKind.LIMIT, no_object(self._purpose))
        else:
            self.problems.add(ProblemKind.LIMIT, no_image_with_a_tag(self._purpose))
        for tag in self.tags():
            if not tag.labels:
                self.problems.add(ProblemKind.UNUSED_TAG, Violation(DATASET, unused_tag(tag.name)))
        if len(self._labels_of) <= self._limits.categories_max:
            for pair in near_twins(tag.name for tag in self.tags()):
                self.problems.add(ProblemKind.SIMILAR_TAGS, Violation(DATASET, similar_tags(*pair)))

    @property
    def _boxed(self) -> bool:
        return self._kind is AnnotationKind.IMAGE_OBJECT_DETECTION

    @property
    def _single(self) -> bool:
        return self._kind is AnnotationKind.IMAGE_CLASSIFICATION

    def _check_limits(self) -> None:
        limits, purpose = self._limits, self._purpose
        label = "object" if self._boxed else "image"
        images = self.image_count - (self.unlabelled_count if self._single else 0)
        used = sum(1 for labels in self._labels_of if labels)
        self.problems.add_all(ProblemKind.LIMIT, too_many(images, used, label, limits, purpose))
        counts = ((tag.name, tag.labels) for tag in self.tags() if tag.labels)
        self.problems.add_all(ProblemKind.FEW_LABELS, too_few_labels(counts, label, limits, purpose))
        if limits.images_without_tag_min:
            counts = ((tag.name, tag.images) for tag in self.tags() if tag.labels)
            self.problems.add_all(ProblemKind.ON_EVERY_IMAGE, on_every_image(images, counts, limits, purpose))

    def _check_image(self, row: ImageRow, labels: int, problems: list[ProblemKind]) -> None:
        if self._single and not labels:
            violation = Violation(row.place, "has no tag, so trainings leave it out")
            self.problems.add(ProblemKind.UNLABELLED, violation, row.position)
            problems.append(ProblemKind.UNLABELLED)
        if self._boxed and (fault := box_count_fault(labels)) is not None:
            self.problems.add(ProblemKind.LIMIT, Violation(row.place, fault), row.position)
            problems.append(ProblemKind.LIMIT)

    def _add_to_digest(self, url: str, labels: list[FoundLabel], names: list[str]) -> None:
        stored = stored_name(url)
        if stored is None:
            self._digest = None
        elif self._digest is not None:
            self._digest.add(stored[0], ((names[label.tag], label.box) for label in labels))

    def _count(self, labels: list[FoundLabel]) -> None:
        self.image_count += 1
        self.unlabelled_count += not labels
        self.label_count += len(labels)
        for label in labels:
            self._labels_of[label.tag] += 1
        for tag in {label.tag for label in labels}:
            self._images_of[tag] += 1
