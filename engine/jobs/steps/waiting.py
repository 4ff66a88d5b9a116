"""Waits for work of other threads, from which a cancelled job breaks off."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any, TypeVar

R = TypeVar("R")

CHECK_SECONDS = 0.5
"""How often whoever waits asks whether the job was cancelled."""


def until_done(future: Future[Any], check: Callable[[], None]) -> None:
    """Wait for the end of `future`; raises what `check`, asked meanwhile, raises."""
    while not wait([future], CHECK_SECONDS).done:
        check()


def awaited(future: Future[R], check: Callable[[], None]) -> R:
    """The result of `future`; raises what `check`, asked meanwhile, raises."""
    until_done(future, check)
    return future.result()


def in_thread(work: Callable[[], R]) -> Future[R]:
    """Start `work` in a thread that nobody has to wait for."""
    future: Future[R] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - it is the future's
            future.set_exception(error)

    threading.Thread(target=run, name="awaited", daemon=True).start()
    return future
