"""Stretches by a clock, and what they tell of the machine's speed."""

import pytest

from vision_customization.engine.jobs.kinds.pace import pace_of, record_pace


@pytest.mark.parametrize(
    ("steps_ended", "ended", "compiled", "recorded"),
    [
        # 20 s until the first step is over, then one a second, then a validation of 3 s
        ([120.0, 121.0, 122.0, 123.0], 126.0, True, [("step_seconds", 3, 3.0), ("start_seconds", 1, 22.0)]),
        # a later stretch counts its validation to its steps
        ([101.0, 102.0, 103.0], 106.0, False, [("step_seconds", 3, 6.0)]),
        # one step alone can't be told from the start
        ([120.0], 126.0, True, []),
        ([], 126.0, True, []),
        ([], 126.0, False, []),
    ],
)
def test_what_a_stretch_tells(
    steps_ended: list[float], ended: float, compiled: bool, recorded: list[tuple[str, int, float]]
) -> None:
    told: list[tuple[str, int, float]] = []
    pace = pace_of(100.0, steps_ended, ended, compiled=compiled)
    record_pace(lambda *measured: told.append(measured), pace)
    assert told == recorded
    assert pace.seconds_per_step == (recorded[0][2] / recorded[0][1] if recorded else None)
