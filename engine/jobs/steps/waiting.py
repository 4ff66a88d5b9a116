"""Waits for work in other threads; cancelling the job ends the wait."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any, TypeVar

R = TypeVar("R")

CHECK_SECONDS = 0.5
"""How often a wait checks whether the job was cancelled."""


def until_done(future: Future[Any], check: Callable[[], None]) -> None:
    """Wait until `future` is done. `check` is called meanwhile; an exception that it raises ends the wait."""
    while not wait([future], CHECK_SECONDS).done:
        check()


def awaited(future: Future[R], check: Callable[[], None]) -> R:
    """The result of `future`. `check` is called meanwhile; an exception that it raises ends the wait."""
    until_done(future, check)
    return future.result()


def in_thread(work: Callable[[], R]) -> Future[R]:
    """Start `work` in a daemon thread."""
    future: Future[R] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - it is the future's
            future.set_exception(error)

    threading.Thread(target=run, name="awaited", daemon=True).start()
    return future
