"""What a stretch of a detector's training tells of the machine's speed."""

from collections.abc import Callable, Sequence

from vision_customization.engine.store.speeds import Work


def record_stretch(
    record: Callable[[Work, int, float], None], started: float, steps_ended: Sequence[float], ended: float, *, compiled: bool
) -> None:
    """Record the steps of a stretch, with what follows them: the validation and the checkpoint.

    Args:
        record: `SpeedStore.record`.
        started: when the stretch began, in seconds of a steady clock; `ended` when it was over.
        steps_ended: when each of its steps was over.
        compiled: whether the stretch loaded the images and compiled the network before its first step. Then the time beside
            its steps is that of the start.
    """
    if not compiled:
        record("step_seconds", len(steps_ended), ended - started)
    elif len(steps_ended) > 1:
        seconds, steps = steps_ended[-1] - steps_ended[0], len(steps_ended) - 1
        record("step_seconds", steps, seconds)
        record("start_seconds", 1, ended - started - seconds * len(steps_ended) / steps)
