"""Which of several trainings goes first."""

import time

import pytest

from vision_customization.engine.jobs.priority import due
from vision_customization.engine.jobs.queue import FIRST_PRIORITY

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((NOW, 60.0), (NOW, 90_000.0)),  # the smaller of two that start together
        ((NOW + 3600, 60.0), (NOW, 90_000.0)),  # a small one that starts beside a large one
        ((NOW, 600.0), (NOW + 60, 600.0)),  # the earlier of two equal ones
        ((NOW, 90_000.0), (NOW + 180_000, 60.0)),  # a large one, before what starts when it is due
    ],
)
def test_the_training_that_is_due_first_goes_first(first: tuple[float, float], second: tuple[float, float]) -> None:
    assert FIRST_PRIORITY < due(*first) < due(*second)


def test_priorities_fit_into_dbos_numbers() -> None:
    assert FIRST_PRIORITY < due(0.0, 0.0) < due(time.time(), 0.0) < due(time.time(), 1e12) == 2**31 - 1
