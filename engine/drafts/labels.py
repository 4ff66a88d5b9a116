"""Which labels an image can have, by the kind of its dataset."""

from collections.abc import Collection, Sequence

from vision_customization.contract.coco.boxes import bbox_problem, cut_to_image
from vision_customization.contract.coco.document import Box
from vision_customization.contract.content import ImageLabel
from vision_customization.contract.drafts import TAG_MAX_LENGTH
from vision_customization.contract.enums import AnnotationKind
from vision_customization.contract.limits import BOXES_PER_IMAGE_MAX
from vision_customization.contract.names import name_text_fault
from vision_customization.engine.drafts.errors import LabelsInvalid
from vision_customization.engine.store.draft_records import DraftLabel


def checked_labels(kind: AnnotationKind, labels: Sequence[ImageLabel], known: Collection[str] = ()) -> tuple[DraftLabel, ...]:
    """The labels as a draft of this kind keeps them: of several with the same tag and box, one, as in a dataset.

    Args:
        known: the tags that the draft has; these may be longer than those that people give.

    Raises:
        LabelsInvalid: the first label that an image can't have.
    """
    boxed = kind is AnnotationKind.IMAGE_OBJECT_DETECTION
    if len(labels) > BOXES_PER_IMAGE_MAX:
        raise LabelsInvalid("labels", f"{len(labels):,} labels; an image has at most {BOXES_PER_IMAGE_MAX:,}")
    for index, label in enumerate(labels):
        place = f"labels.{index}"
        if label.tag not in known and (fault := tag_fault(label.tag)):
            raise LabelsInvalid(f"{place}.tag", fault)
        if boxed and label.bbox is None:
            raise LabelsInvalid(f"{place}.bbox", "is missing: a label of an object has [left, top, width, height]")
        if not boxed and label.bbox is not None:
            raise LabelsInvalid(f"{place}.bbox", "only a dataset for object detection has boxes")
        if label.bbox is not None and (problem := bbox_problem(cut_to_image(list(label.bbox)))):
            raise LabelsInvalid(f"{place}.bbox", problem)
    found = tuple(dict.fromkeys(DraftLabel(label.tag, _box(label)) for label in labels))
    if kind is AnnotationKind.IMAGE_CLASSIFICATION and len(found) > 1:
        names = ", ".join(repr(label.tag) for label in found)
        raise LabelsInvalid("labels", f"an image of a classification has one tag, not {names}")
    return found


def tag_fault(name: str) -> str | None:
    """Why a tag can't have this name; None if it can."""
    if not name or name != name.strip():
        return f"{name!r} is not a tag's name: it is empty, or has blanks around it"
    if len(name) > TAG_MAX_LENGTH:
        return f"the name has {len(name):,} characters; at most {TAG_MAX_LENGTH} are allowed"
    fault = name_text_fault(name)
    return None if fault is None else f"the name {name!r} {fault}"


def _box(label: ImageLabel) -> Box | None:
    if label.bbox is None:
        return None
    cut = cut_to_image(list(label.bbox))
    assert isinstance(cut, list), "a box in, a box out"
    left, top, width, height = cut
    return left, top, width, height
