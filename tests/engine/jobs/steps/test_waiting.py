"""Waiting for what runs in another thread."""

import time
from concurrent.futures import Future
from typing import Any

import pytest

from vision_customization.engine.jobs.errors import JobCancelled
from vision_customization.engine.jobs.steps.waiting import awaited, in_thread


@pytest.mark.parametrize("error", [TimeoutError("its own"), ValueError("its own")])
def test_what_is_waited_for_in_a_thread_gives_its_own_error(error: Exception) -> None:
    def work() -> None:
        raise error

    with pytest.raises(type(error), match="its own"):
        awaited(in_thread(work), lambda: None)


def test_waiting_ends_with_what_the_check_raises() -> None:
    def check() -> None:
        raise JobCancelled

    future: Future[Any] = Future()
    started = time.monotonic()
    with pytest.raises(JobCancelled):
        awaited(future, check)
    assert time.monotonic() - started < 2
