"""The rows of images and labels that are new in a draft, as values of `INSERT` statements for many."""

from collections.abc import Callable, Iterable
from typing import Any

from vision_customization.contract.drafts import ImageState
from vision_customization.engine.store.draft_records import DraftLabel, NewDraftImage


def image_row(draft: int, number: int, image: NewDraftImage, state: ImageState, *, settled: bool, edit: int) -> dict[str, Any]:
    """`draft` is the number in the draft's record, and `edit` that of the draft's change with which the image comes."""
    return {
        "draft_sequence": draft,
        "number": number,
        "sha256": image.sha256,
        "extension": image.extension,
        "file_name": image.file_name,
        "width": image.width,
        "height": image.height,
        "state": state.value,
        "settled": settled,
        "revision": 1,
        "edit": edit,
    }


def label_rows(draft: int, number: int, labels: Iterable[DraftLabel], tag_number: Callable[[str], int]) -> list[dict[str, Any]]:
    """The labels of image `number`, in this order. `tag_number` gives the number of a tag in the draft."""
    rows = []
    for ordinal, label in enumerate(labels):
        left, top, width, height = label.box or (None, None, None, None)
        place = {"draft_sequence": draft, "number": number, "ordinal": ordinal, "tag": tag_number(label.tag)}
        rows.append({**place, "left": left, "top": top, "width": width, "height": height})
    return rows
