"""Waits for other threads or processes."""

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def wait_until(
    condition: Callable[[], Found | None],
    what: str | Callable[[], str],
    timeout_seconds: float = 60,
    *,
    every_seconds: float = 0.02,
) -> Found:
    """The first true answer of `condition`; the failure names `what` did not happen."""
    deadline = time.monotonic() + timeout_seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {timeout_seconds} s: {what if isinstance(what, str) else what()}"
        time.sleep(every_seconds)
    return found
