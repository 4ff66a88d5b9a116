"""The images that a draft begins with, if they are read from a version's file and not copied from a content index."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from vision_customization.contract.drafts import ImageState
from vision_customization.contract.enums import AnnotationKind
from vision_customization.engine.store.content_rows import name_digest
from vision_customization.engine.store.draft_records import NewDraftImage
from vision_customization.engine.store.draft_rows import image_row, label_rows
from vision_customization.engine.store.draft_tables import DraftImageRow, DraftLabelRow, DraftRow, DraftTagRow
from vision_customization.engine.store.tables import Table

_BATCH = 4000
_IMAGES, _LABELS, _TAGS = (
    insert(Table.metadata.tables[row.__tablename__]) for row in (DraftImageRow, DraftLabelRow, DraftTagRow)
)


@dataclass(frozen=True, slots=True)
class BaseImages:
    """All images, in their order, and all tags, also those on no image. The images are read once."""

    tags: Sequence[str]
    images: Iterable[NewDraftImage]


def write_base(session: Session, draft: DraftRow, base: BaseImages) -> None:
    """Give a new draft these images, as unchanged ones."""
    single = draft.annotation_kind == AnnotationKind.IMAGE_CLASSIFICATION.value
    numbers = {name: number for number, name in enumerate(base.tags)}
    images_of, labels_of = Counter[str](), Counter[str]()
    iterator = iter(base.images)
    while batch := list(islice(iterator, _BATCH)):
        labels: list[dict[str, Any]] = []
        images: list[dict[str, Any]] = []
        for number, image in enumerate(batch, start=draft.images):
            settled = bool(image.labels) or not single  # an image without a tag shows nothing in the other kinds
            images.append(image_row(draft.sequence, number, image, ImageState.SAME, settled=settled, edit=0))
            labels += label_rows(draft.sequence, number, image.labels, numbers.__getitem__)
            labels_of.update(label.tag for label in image.labels)
            images_of.update({label.tag for label in image.labels})
            draft.unlabelled += not settled
        session.execute(_IMAGES, images)
        if labels:
            session.execute(_LABELS, labels)
        draft.images += len(batch)
        draft.labels += len(labels)
    tags = [
        {
            "draft_sequence": draft.sequence,
            "number": number,
            "name": name,
            "name_digest": name_digest(name),
            "base_name": name,
            "images": images_of[name],
            "labels": labels_of[name],
        }
        for name, number in numbers.items()
    ]
    if tags:
        session.execute(_TAGS, tags)
    draft.next_number, draft.next_tag = draft.images, len(tags)
