"""The progress of a detector's training: what its steps record, and what callers of the API see."""

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


def finished(begun: Begun, stretch: Stretch | None) -> bool:
    """Whether all steps of all phases are done."""
    last = len(begun["phases"]) - 1
    return stretch is not None and stretch["phase"] == last and stretch["step"] >= begun["phases"][last]


def learnt(before: TrainingProgress, begun: Begun, stretch: Stretch) -> TrainingProgress:
    """A training's progress after a stretch. Within a stretch, loss and validation are those of the stretch before."""
    done, total = sum(begun["phases"][: stretch["phase"]]) + stretch["step"], sum(begun["phases"])
    loss = before.loss if stretch["loss"] is None else stretch["loss"]
    validation = before.mean_average_precision50 if stretch["validation"] is None else stretch["validation"]
    told = [
        f"step {done} of {total}",
        *([f"loss {loss:.2f}"] if loss is not None else []),
        *([f"validation mAP@50 {validation:.3f}"] if validation is not None else []),
    ]
    return advanced(
        before,
        share=0.15 + 0.77 * done / total,
        message=", ".join(told),
        steps_done=done,
        loss=loss,
        mean_average_precision50=validation,
        seconds=before.seconds + stretch["seconds"],
    )
