"""How a worker's time is divided among what it does at once."""

import pytest

from vision_customization.engine.jobs.images.shared_clock import SharedClock


def test_the_seconds_of_all_are_the_time_that_passed_while_any_ran() -> None:
    now = 100.0
    clock = SharedClock(lambda: now)
    now += 50.0  # nothing runs
    with clock.measuring() as first:
        now += 3.0
        assert first.seconds == 3.0
        with clock.measuring() as second:
            now += 4.0
        now += 1.0
    now += 9.0
    assert (first.seconds, second.seconds) == (6.0, 2.0)


def test_what_fails_is_not_counted_any_longer() -> None:
    now = 0.0
    clock = SharedClock(lambda: now)
    with pytest.raises(OSError, match="full"), clock.measuring():
        raise OSError("full")
    with clock.measuring() as taken:
        now += 2.0
    assert taken.seconds == 2.0
