"""What a model of a kind can be trained from and with."""

from __future__ import annotations

from vision_customization.contract.enums import ModelKind
from vision_customization.contract.limits import TILES_MAX


def kind_mismatch(
    kind: ModelKind, annotation_kind: str, *, model: str = "the model", dataset: str = "the dataset"
) -> str | None:
    """Why a model of this kind can be neither trained nor evaluated with such a dataset, and what to change; None if it can.

    Args:
        model: what the text calls the model.
        dataset: what the text calls the dataset.
    """
    if annotation_kind == kind.annotation_kind:
        return None
    fitting = " or ".join(other for other in ModelKind if other.annotation_kind == annotation_kind)
    change = f", or make the model a {fitting}" if fitting else ""
    return (
        f"{dataset} is of kind {annotation_kind}, and {model}, a {kind}, needs {kind.annotation_kind}: "
        f"name a dataset of that kind{change}"
    )


def tiles_fault(kind: ModelKind, tiles: object) -> str | None:
    """Why a model of this kind can't have these `tiles`; None if it can."""
    if tiles not in range(1, TILES_MAX + 1):
        return f"{format(tiles, 'g') if isinstance(tiles, float) else tiles} is no whole number from 1 to {TILES_MAX}"
    if kind is ModelKind.GENERIC_CLASSIFIER and tiles != 1:
        detectors = " or a ".join(other for other in ModelKind if other is not kind)
        return f"at most 1 for a {kind}, which looks at each image as a whole; a {detectors} takes up to {TILES_MAX}"
    return None
