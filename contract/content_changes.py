"""What changed in a dataset, in words, from its counts alone. `common.dataset_content.manifest` compares whole contents."""

from __future__ import annotations

from collections.abc import Mapping

from vision_customization.contract.enums import AnnotationKind


def counted_changes(
    kind: str | None, images: tuple[float, float], tags_before: Mapping[str, float], tags_after: Mapping[str, float]
) -> list[str]:
    """Lines such as `tag 'circle': 4 → 9`. Counts do not show replaced images or moved boxes: if they are equal, one line says
    so.

    Args:
        kind: the annotation kind.
        images: how many there were, and are now.
        tags_before: how many labels each tag had: images or, for detection, boxes.
        tags_after: how many it has now.
    """
    boxes = kind == AnnotationKind.IMAGE_OBJECT_DETECTION
    several = kind == AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION
    noun_of = "boxes of" if boxes else "images with" if several else "tag"
    tags = sorted({*tags_before, *tags_after})
    counts = {f"{noun_of} '{tag}'": (tags_before.get(tag, 0), tags_after.get(tag, 0)) for tag in tags}
    if boxes or several:
        counts = {"images": images, **counts}
    lines = [f"{noun}: {int(before):,} → {int(after):,}" for noun, (before, after) in counts.items() if before != after]
    what = "images or boxes" if boxes else "images or tags" if several else "images"
    return lines or [f"different {what}, but the same number as before"]
