"""What a stretch of a detector's training tells of the machine's speed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vision_customization.engine.store.speeds import Work


@dataclass(frozen=True)
class Pace:
    """`steps` took `seconds`, and the start before them took `start_seconds`; None if that was not part of it."""

    steps: int = 0
    seconds: float = 0.0
    start_seconds: float | None = None

    @property
    def seconds_per_step(self) -> float | None:
        return self.seconds / self.steps if self.steps else None


def pace_of(started: float, steps_ended: Sequence[float], ended: float, *, compiled: bool) -> Pace:
    """The pace of a stretch's steps, with what follows them: the validation and the checkpoint.

    Args:
        started: when the stretch began, in seconds of a steady clock; `ended` when it was over.
        steps_ended: when each of its steps was over.
        compiled: whether the stretch loaded the images and compiled the network before its first step. Then the time beside
            its steps is that of the start.
    """
    if not compiled:
        return Pace(len(steps_ended), ended - started)
    if len(steps_ended) < 2:
        return Pace()
    seconds, steps = steps_ended[-1] - steps_ended[0], len(steps_ended) - 1
    return Pace(steps, seconds, ended - started - seconds * len(steps_ended) / steps)


def record_pace(record: Callable[[Work, int, float], None], pace: Pace) -> None:
    """Record it, by `SpeedStore.record`."""
    if pace.steps:
        record("step_seconds", pace.steps, pace.seconds)
    if pace.start_seconds is not None:
        record("start_seconds", 1, pace.start_seconds)
