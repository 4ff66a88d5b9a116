"""Polling a training, an evaluation or a run until it ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from vision_customization.customization.errors import ServiceFault, Unreachable, WaitTimedOut

POLL_SECONDS = (0.5, 3.0)
"""Shortest and longest wait between two polls; in between, a tenth of the time taken so far."""

OUTAGE_SECONDS = 300.0
LOCAL_OUTAGE_SECONDS = 60.0
"""How long to keep polling a service (on this machine) that can't be reached: it may be restarting."""


class Status(Protocol):
    @property
    def final(self) -> bool: ...


class Work(Protocol):
    """A training, an evaluation or a run, as the service shows it."""

    @property
    def status(self) -> Status: ...


Waited = TypeVar("Waited", bound=Work)


def wait(
    look: Callable[[], Waited],
    what: str,
    timeout_seconds: float | None,
    on_progress: Callable[[Waited], None] | None,
    *,
    outage_seconds: float,
    sleep: Callable[[float], None],
    clock: Callable[[], float],
) -> Waited:
    """Poll the work until its status is final, and return it.

    Args:
        what: the work's name in a timeout error.
        timeout_seconds: None waits without limit.
        on_progress: called with the work at each poll.
        outage_seconds: how long the service may be unreachable.

    Raises:
        WaitTimedOut: the timeout passed, but the work continues.
    """
    started = answered = clock()
    shortest, longest = POLL_SECONDS
    while True:
        try:
            seen = look()
        except (Unreachable, ServiceFault):
            if clock() - answered > outage_seconds:
                raise
        else:
            answered = clock()
            if on_progress is not None:
                on_progress(seen)
            if seen.status.final:
                return seen
        elapsed = clock() - started
        pause = min(longest, max(shortest, elapsed / 10))
        if timeout_seconds is not None and elapsed + pause > timeout_seconds:
            raise WaitTimedOut(f"{what}: not finished after {timeout_seconds:.0f} s. It continues: wait again, or cancel it")
        sleep(pause)
