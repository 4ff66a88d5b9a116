"""The progress of a detector's training: what its steps record, and what callers of the API see."""

from collections.abc import Sequence
from typing import Any, TypedDict

from vision_customization.contract.models import TrainingProgress
from vision_customization.engine.jobs.kinds.training import advanced


class Begun(TypedDict):
    """The basis of the training: `digest` and `images` of the images read, and the steps of each phase."""

    recipe: dict[str, Any]
    phases: list[int]
    digest: str
    images: int


class Stretch(TypedDict):
    """The state of a training: step `step` of phase `phase`. `validation` is mAP@50 on a few images not learnt from."""

    phase: int
    step: int
    loss: float | None
    validation: float | None
    seconds: float
    phases: list[int]
    """The steps of each phase, as the stretch took them to be: those of `Begun`, or what the time budget allows of them."""
    seconds_per_step: float | None
    """With validation and checkpoint, without compiling; None if only the step that compiles was done."""


def affordable(begun: Begun, before: Stretch | None, seconds_left: float) -> list[int]:
    """The steps of each phase, from here on: those of `begun`, or as many as the time budget still allows at the pace of the
    stretch before, in the same proportion. A phase ends only in a stretch, so one that has begun gets at least one more step.

    Args:
        seconds_left: the part of the budget that is left for learning.
    """
    if before is None:
        return begun["phases"]
    past, seconds_per_step = before["phases"], before["seconds_per_step"]
    if seconds_per_step is None:
        return past
    phase, step = before["phase"], before["step"]
    steps_left = int(max(0.0, seconds_left) / seconds_per_step)
    ended, wanted = past[:phase], begun["phases"][phase:]
    if step >= past[phase]:
        ended, wanted, step = past[: phase + 1], wanted[1:], 0
    share = min(1.0, (step + steps_left) / max(1, sum(wanted)))
    planned = [int(share * steps) for steps in wanted]
    if step:
        planned[0] = max(step + 1, planned[0])
    return [*ended, *planned]


def finished(phases: Sequence[int], stretch: Stretch | None) -> bool:
    """Whether all steps of all phases are done."""
    return stretch is not None and stretch["step"] >= phases[stretch["phase"]] and not sum(phases[stretch["phase"] + 1 :])


def learnt(before: TrainingProgress, begun: Begun, stretch: Stretch) -> TrainingProgress:
    """A training's progress after a stretch. Within a stretch, loss and validation are those of the stretch before."""
    phases = stretch["phases"]
    done, total, wanted = sum(phases[: stretch["phase"]]) + stretch["step"], sum(phases), sum(begun["phases"])
    loss = before.loss if stretch["loss"] is None else stretch["loss"]
    validation = before.mean_average_precision50 if stretch["validation"] is None else stretch["validation"]
    told = [
        f"step {done} of {total}" + (f" (the time budget allows no more; {wanted} would be best)" if total < wanted else ""),
        *([f"loss {loss:.2f}"] if loss is not None else []),
        *([f"validation mAP@50 {validation:.3f}"] if validation is not None else []),
    ]
    return advanced(
        before,
        share=0.15 + 0.77 * done / max(1, total),
        message=", ".join(told),
        steps=total,
        steps_done=done,
        loss=loss,
        mean_average_precision50=validation,
        seconds=before.seconds + stretch["seconds"],
    )
