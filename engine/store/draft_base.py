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
from vision_customization.engine.store.tables import DraftRow, Table

_BATCH = 4000
_IMAGES, _LABELS, _TAGS = (insert(Table.metadata.tables[f"draft_{name}"]) for name in ("images", "labels", "tags"))


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
        images = [_image(draft, draft.images + place, image, single) for place, image in enumerate(batch)]
        for row, image in zip(images, batch, strict=True):
            for ordinal, label in enumerate(image.labels):
                left, top, width, height = label.box or (None, None, None, None)
                place = {"draft_sequence": draft.sequence, "number": row["number"], "ordinal": ordinal}
                sides = {"left": left, "top": top, "width": width, "height": height}
                labels.append({**place, "tag": numbers[label.tag], **sides})
            labels_of.update(label.tag for label in image.labels)
            images_of.update({label.tag for label in image.labels})
            draft.unlabelled += not row["settled"]
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


def _image(draft: DraftRow, number: int, image: NewDraftImage, single: bool) -> dict[str, Any]:
    return {
        "draft_sequence": draft.sequence,
        "number": number,
        "sha256": image.sha256,
        "extension": image.extension,
        "file_name": image.file_name,
        "width": image.width,
        "height": image.height,
        "state": ImageState.SAME.value,
        "settled": bool(image.labels) or not single,  # an image without a tag shows nothing in the other kinds
        "revision": 1,
        "edit": 0,
    }
