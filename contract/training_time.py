"""How long a training takes on a machine, and whether a time budget is enough for it.

The hosted service demands hours by a formula for its own GPUs. Here a budget is refused only if the machine that trains can't
do the shortest useful training in it: the engine, the preview and the commands that write a stack's file all ask this module.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from vision_customization.contract.enums import ModelKind
from vision_customization.contract.training_rules import training_steps


@dataclass(frozen=True, slots=True)
class Speed:
    """How long the parts of a training take on a machine, in seconds: an image that a classifier embeds or a detector reads
    (fetched, decoded and stored), a step of a detector, and a detector's start (loading and compiling)."""

    embedded_image_seconds: float
    read_image_seconds: float
    step_seconds: float
    start_seconds: float


ASSUMED_SPEED = Speed(embedded_image_seconds=0.2, read_image_seconds=0.1, step_seconds=2.0, start_seconds=60.0)
"""Of a machine that has not trained yet: two busy cores. Measured: 0.16 s of processor time to embed an image with three
networks, 0.02 s to read and keep a photo of 12 megapixels without its download, 0.9 to 1.7 s for a step (docs/learning.md)."""

BUDGET_MARGIN = 2.0
"""A budget is refused if the shortest training is estimated to take more than this many times as long. The same two cores took
nearly twice as long on one day as on another (docs/learning.md)."""

_KEPT_IMAGE_SECONDS = 0.005
"""For an image whose features or picture the engine has kept."""
_FIT_SECONDS = 2.0
"""For a classifier's fit and its file."""
_PHASES = 1.25
"""Without a test dataset, a detector's second phase takes a quarter of the steps again."""


@dataclass(frozen=True, slots=True)
class Workload:
    """What a training has to do.

    `images` are the training images, and `tags` their tags. The data of `kept` of the images is known to be stored already. An
    image counts tiles² times for the number of steps.
    """

    kind: ModelKind
    images: int
    tags: int
    tiles: int = 1
    kept: int = 0


def training_seconds(work: Workload, speed: Speed) -> float:
    """The estimate for the whole training."""
    return _seconds(work, speed, work.images * work.tiles**2)


def least_seconds(work: Workload, speed: Speed) -> float:
    """The estimate for the shortest useful training: it reads every image. A detector then takes only as many steps as for very
    few images of these tags."""
    return _seconds(work, speed, 1)


def _seconds(work: Workload, speed: Speed, stepped_images: int) -> float:
    kept, new = work.kept, work.images - work.kept
    if work.kind is ModelKind.GENERIC_CLASSIFIER:
        return _FIT_SECONDS + new * speed.embedded_image_seconds + kept * _KEPT_IMAGE_SECONDS
    reading = new * speed.read_image_seconds + kept * _KEPT_IMAGE_SECONDS
    return speed.start_seconds + reading + detector_steps(stepped_images, work.tags) * speed.step_seconds


def detector_steps(images: float, tags: int) -> float:
    """How many steps both phases of a detector's training take; like `training_steps`."""
    return _PHASES * training_steps(images, tags)


def budget_range_fault(kind: ModelKind, hours: float) -> str | None:
    """Why a model of this kind can't have this budget, whatever it is trained from; None if it can."""
    most = kind.time_budget_max_hours
    return None if 1 <= hours <= most else f"must be 1 to {most} hours for a {kind}, not {hours:g}"


def budget_fault(work: Workload, hours: float, speed: Speed) -> str | None:
    """Why this budget is not enough for the training, and what to change; None if it is."""
    unkept = replace(work, kept=0)  # an engine does not know what is kept before it reads
    least = least_seconds(unkept, speed)
    if least <= hours * 3600 * BUDGET_MARGIN:
        return None
    enough, most = hours_for(unkept, speed), work.kind.time_budget_max_hours
    change = f"Set timeBudgetInHours to {enough}, or use" if enough <= most else "Use a faster machine, or"
    return (
        f"A budget of {hours:g} h is not enough for {work.images:,} images: the shortest training from them is estimated to "
        f"take {duration(least)}. {change} fewer images."
    )


def hours_for(work: Workload, speed: Speed) -> int:
    """The least budget, in whole hours, that holds the estimate for the whole training."""
    return max(1, math.ceil(training_seconds(work, speed) / 3600))


def of_budget(work: Workload, hours: float, speed: Speed) -> str:
    """The estimate for the whole training beside its budget: `about 3 min of 1 h`."""
    seconds = training_seconds(work, speed)
    told = f"about {duration(seconds)} of {hours:g} h"
    if seconds <= hours * 3600:
        return told
    steps = "" if work.kind is ModelKind.GENERIC_CLASSIFIER else "in fewer steps, and "
    return f"{told}: more than the budget, so the model is trained {steps}from the images read in time"


def duration(seconds: float) -> str:
    """`119 s`, `10 min` or `2.5 h`."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
