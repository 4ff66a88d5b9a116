"""Work that may take only so long: its caller goes on when the time is over, even if the work does not."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


class TimeLimitExceeded(Exception):
    """The work was not done in time."""


def within(seconds: float, work: Callable[[], T], *, stop: Callable[[], None], ended: Callable[[], None] | None = None) -> T:
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

    threading.Thread(target=run, name="within", daemon=True).start()
    try:
        return outcome.result(seconds)
    except TimeoutError:
        if outcome.done():
            raise
        stop()
        raise TimeLimitExceeded from None
