"""What each kind of model can be trained from and with, and in how many steps."""

from __future__ import annotations

import math

from vision_customization.contract.enums import ModelKind
from vision_customization.contract.limits import TILES_MAX

STEP_IMAGES = 8
"""Images per training step."""
_STEPS_OF_IMAGES, _EXPONENT, _STEPS_OF_IMAGES_MOST = 14.5, 0.7, 500
"""Ten minutes on two cores, with the second phase, allow 500 steps (docs/learning.md)."""
_VIEWS_LEAST = 2
"""Of each image, however many there are."""
_STEPS_OF_A_TAG, _STEPS_OF_TAGS = 10, (60, 150)
"""With few images: how many steps each tag adds, and the minimum and maximum of the sum."""


def kind_mismatch(
    kind: ModelKind,
    annotation_kind: str,
    *,
    trained_from: str | None = None,
    model: str = "the model",
    dataset: str = "the dataset",
) -> str | None:
    """Why such a dataset can't train or evaluate a model of this kind, and what to change; None if it can.

    Args:
        trained_from: the kind of the dataset that the model is trained from, where it is known: it is evaluated on the same.
        model: the model's name in the message.
        dataset: the dataset's name in the message.
    """
    if annotation_kind in kind.annotation_kinds:
        if trained_from is None or trained_from == annotation_kind:
            return None
        return (
            f"{dataset} is of kind {annotation_kind}, but {model} is trained from a dataset of kind {trained_from}. "
            "Use a dataset of that kind"
        )
    fitting = " or ".join(other for other in ModelKind if annotation_kind in other.annotation_kinds)
    change = f", or make the model a {fitting}" if fitting else ""
    return (
        f"{dataset} is of kind {annotation_kind}, but {model}, a {kind}, needs {' or '.join(kind.annotation_kinds)}. "
        f"Use a dataset of that kind{change}"
    )


def usual_kind(annotation_kind: str) -> ModelKind:
    """The kind of model to train from a dataset of this kind where none is named."""
    return next(kind for kind in ModelKind if annotation_kind in kind.annotation_kinds)


def tiles_fault(kind: ModelKind, tiles: object) -> str | None:
    """Why a model of this kind can't have these `tiles`; None if it can."""
    if tiles not in range(1, TILES_MAX + 1):
        return f"must be an integer from 1 to {TILES_MAX}, not {format(tiles, 'g') if isinstance(tiles, float) else tiles}"
    if kind is ModelKind.GENERIC_CLASSIFIER and tiles != 1:
        detectors = " or a ".join(other for other in ModelKind if other is not kind)
        return f"must be 1 for a {kind}, which analyzes each image as a whole; a {detectors} allows up to {TILES_MAX}"
    return None


def training_steps(images: float, tags: int) -> int:
    """The number of training steps, if the time budget allows them: 149 for 28 images of two tags, 411 for 119, 500 for 200 to
    2,000; more images are each seen twice (docs/learning.md).

    Args:
        images: counted in tiles: an image of tiles × tiles counts tiles² times.
    """
    least, most = _STEPS_OF_TAGS
    of_tags = min(max(least, 50 + _STEPS_OF_A_TAG * tags), most)
    of_images = min(round(_STEPS_OF_IMAGES * images**_EXPONENT), _STEPS_OF_IMAGES_MOST)
    steps: int = max(of_tags, of_images, math.ceil(_VIEWS_LEAST * images / STEP_IMAGES))
    return steps
