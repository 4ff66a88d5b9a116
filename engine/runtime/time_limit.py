"""Work that may take only so long: its caller goes on when the time is over, even if the work does not."""

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
        stop: asks the work to end; called when the time is over. The work may ignore it: nobody waits for it any more.
        ended: called in the thread once the work is at its end, in time or not.

    Raises:
        TimeLimitExceeded: the time is over.
        Whatever `work` raises.
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
        if outcome.done():  # in the very moment, or with an error of this kind of its own
            return outcome.result()
        stop()
        raise TimeLimitExceeded from None


def left_running() -> bool:
    """Whether work goes on that nobody waits for any more."""
    return any(thread.name == _THREAD for thread in threading.enumerate())
