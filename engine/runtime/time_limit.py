"""Work with a time limit: the caller continues when the time is over, even if the work has not ended."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")

_THREAD = "within"


class TimeLimitExceeded(Exception):
    """The work was not done in time."""


def within(
    seconds: float,
    work: Callable[[], T],
    *,
    stop: Callable[[], None] = lambda: None,
    ended: Callable[[], None] | None = None,
) -> T:
    """The result of `work`, which runs in a thread of its own.

    Args:
        seconds: how long the work may take.
        stop: asks the work to end; called when the time is over. The work may ignore it: the caller no longer waits.
        ended: called in the thread once the work has ended, in time or not.

    Raises:
        TimeLimitExceeded: the time is over.
        Also anything that `work` raises.
    """
    outcome: Future[T] = Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:  # noqa: BLE001 - it is the caller's
            outcome.set_exception(error)
        finally:
            if ended is not None:
                ended()

    threading.Thread(target=run, name=_THREAD, daemon=True).start()
    try:
        return outcome.result(seconds)
    except TimeoutError:
        if outcome.done():  # it ended at the last moment, or raised an error of this kind itself
            return outcome.result()
        stop()
        raise TimeLimitExceeded from None


def left_running() -> bool:
    """Whether work is still running whose caller no longer waits."""
    return any(thread.name == _THREAD for thread in threading.enumerate())
