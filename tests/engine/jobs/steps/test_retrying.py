"""The attempts of a step, without a database."""

import errno
from collections.abc import Callable
from pathlib import Path

import pytest
from dbos import DBOS

from vision_customization.engine.jobs.errors import JobCancelled, JobFailed
from vision_customization.engine.jobs.steps import retrying as steps
from vision_customization.engine.jobs.steps.retrying import PAUSES_SECONDS, Steps


@pytest.fixture(autouse=True)
def without_a_workflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DBOS, "run_step", lambda _options, function: function())


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(steps, "time", clock)
    return clock


def failing(times: int, attempts: list[float], clock: Clock) -> Callable[[], str]:
    def attempt() -> str:
        attempts.append(clock.now)
        if len(attempts) <= times:
            raise OSError("busy")
        return "done"

    return attempt


def test_the_attempts_are_eight_ever_further_apart_within_two_minutes(clock: Clock, tmp_path: Path) -> None:
    attempts: list[float] = []
    assert Steps(lambda: None, tmp_path)("s", failing(7, attempts, clock)) == "done"
    assert attempts == pytest.approx([sum(PAUSES_SECONDS[:count]) for count in range(8)])
    assert 60 < attempts[-1] < 120
    with pytest.raises(JobFailed, match="failed in step 's'"):
        Steps(lambda: None, tmp_path)("s", failing(8, [], clock))


def test_a_cancellation_ends_the_waiting_within_a_second(clock: Clock, tmp_path: Path) -> None:
    def check() -> None:
        if clock.now >= 40:
            raise JobCancelled

    with pytest.raises(JobCancelled):
        Steps(check, tmp_path)("s", failing(9, [], clock))
    assert clock.now < 41


def test_a_database_that_cannot_say_whether_the_job_was_cancelled_does_not_end_it(clock: Clock, tmp_path: Path) -> None:
    def check() -> None:
        raise ConnectionError

    assert Steps(check, tmp_path)("s", failing(7, [], clock)) == "done"


def test_what_ends_a_job_is_not_itself_cancelled(clock: Clock, tmp_path: Path) -> None:
    def check() -> None:
        raise JobCancelled

    def fails() -> None:
        raise JobCancelled

    step = Steps(check, tmp_path)
    with pytest.raises(JobCancelled):
        step("embed", fails)
    assert step("cancel", failing(3, [], clock)) == "done"


def test_a_full_disk_ends_a_job_at_once(clock: Clock, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    attempts = []

    def fill() -> None:
        attempts.append(clock.now)
        raise OSError(errno.ENOSPC, "No space left on device")

    step = Steps(lambda: None, tmp_path)
    with pytest.raises(JobFailed, match=f"The disk of the data folder {tmp_path} is full.*Then start the job again"):
        step("export", fill)
    assert attempts == [0.0]
    with pytest.raises(JobFailed, match="is full"):  # what records the failure waits for room
        step("fail", fill)
    assert len(attempts) == 9
    assert "Traceback" not in caplog.text
