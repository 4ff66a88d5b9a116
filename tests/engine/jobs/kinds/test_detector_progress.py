"""How many steps a detector's training has, and what it reports of them."""

import pytest

from vision_customization.contract.models import TrainingProgress
from vision_customization.engine.jobs.kinds.detector_progress import Begun, Stretch, affordable, finished, learnt


def begun(*phases: int) -> Begun:
    return Begun(recipe={}, phases=list(phases), digest="", images=0)


def stretch(phase: int, step: int, phases: list[int], seconds_per_step: float | None = 1.0) -> Stretch:
    return Stretch(
        phase=phase,
        step=step,
        loss=0.5,
        validation=None,
        seconds=30.0,
        phases=phases,
        seconds_per_step=seconds_per_step,
    )


@pytest.mark.parametrize(
    ("before", "seconds_left", "expected"),
    [
        # Nothing is known yet: as begun.
        (None, 100.0, [400, 100]),
        (stretch(0, 1, [400, 100], None), 10.0, [400, 100]),
        # The budget allows everything.
        (stretch(0, 20, [400, 100]), 480.0, [400, 100]),
        # It allows half: both phases are halved.
        (stretch(0, 20, [400, 100]), 230.0, [200, 50]),
        (stretch(0, 20, [400, 100], 2.0), 460.0, [200, 50]),
        # At the same pace, the plan stays.
        (stretch(0, 100, [200, 50]), 150.0, [200, 50]),
        # The machine has become faster, or slower: what was shortened grows again, up to what was begun, or becomes less.
        (stretch(0, 20, [200, 50], 0.25), 240.0, [400, 100]),
        (stretch(0, 100, [200, 50], 1.5), 150.0, [160, 40]),
        (stretch(0, 190, [200, 50], 9.0), 30.0, [191, 38]),
        # A phase that is done stays done.
        (stretch(0, 200, [200, 50]), 1000.0, [200, 100]),
        (stretch(0, 200, [200, 50]), 30.0, [200, 30]),
        (stretch(1, 10, [200, 50]), 45.0, [200, 55]),
        # Nothing is left of the budget.
        (stretch(0, 100, [400, 100]), 0.0, [101, 20]),
        (stretch(0, 100, [400, 100]), -5.0, [101, 20]),
        (stretch(0, 400, [400, 100]), 0.0, [400, 0]),
    ],
)
def test_the_steps_that_are_left_are_those_that_the_budget_allows(
    before: Stretch | None, seconds_left: float, expected: list[int]
) -> None:
    assert affordable(begun(400, 100), before, seconds_left) == expected


@pytest.mark.parametrize("seconds_per_step", [0.5, 1.0, 4.0, 20.0])
def test_whatever_the_pace_the_training_ends_within_its_budget_at_its_last_step(seconds_per_step: float) -> None:
    """A run of stretches of half a minute, on a machine whose pace changes in the middle."""
    left, before, phases = 600.0, None, [400, 100]
    while not finished(phases, before):
        phase, step = (before["phase"], before["step"]) if before else (0, 0)
        if step >= phases[phase]:
            phase, step = phase + 1, 0
        pace = seconds_per_step * (1.5 if left < 300 else 1.0)
        steps = min(max(1, int(30 / pace)), phases[phase] - step)
        left -= steps * pace
        before = stretch(phase, step + steps, phases, pace)
        phases = affordable(begun(400, 100), before, left)
    assert left >= -30
    assert sum(phases) == 500 or left < 60
    assert before is not None
    assert before["step"] == phases[before["phase"]]


@pytest.mark.parametrize(
    ("phases", "before", "done"),
    [
        ([5, 2], None, False),
        ([5, 2], stretch(0, 5, [5, 2]), False),
        ([5, 0], stretch(0, 5, [5, 0]), True),
        ([5, 2], stretch(1, 1, [5, 2]), False),
        ([5, 2], stretch(1, 2, [5, 2]), True),
    ],
)
def test_a_training_is_finished_when_no_phase_has_a_step_left(phases: list[int], before: Stretch | None, done: bool) -> None:
    assert finished(phases, before) is done


def test_the_progress_tells_how_many_steps_the_budget_allows() -> None:
    before = TrainingProgress(stage="learning", seconds=10.0)
    whole = learnt(before, begun(400, 100), stretch(0, 40, [400, 100]))
    assert (whole.steps, whole.steps_done, whole.seconds) == (500, 40, 40.0)
    assert whole.message == "step 40 of 500, loss 0.50"
    shorter = learnt(before, begun(400, 100), stretch(1, 40, [200, 50]))
    assert (shorter.steps, shorter.steps_done) == (250, 240)
    assert shorter.message == "step 240 of 250 (the time budget allows no more; 500 would be best), loss 0.50"
    assert shorter.share > whole.share
