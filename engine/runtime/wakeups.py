"""Wakes the engine's processes when one of them puts work into a queue, so that they need not look for it all the time.

With SQLite, each process that wants to be woken has a named pipe in `wakeups` of the data folder, and a wake-up is a byte in
each of them. Unlike a socket's path, that of a pipe may be long. With PostgreSQL, a wake-up is a NOTIFY on a channel of the
database.

A wake-up can be lost with a connection, so processes also look for work by themselves, every REST_SECONDS.
"""

import contextlib
import errno
import logging
import os
import secrets
import select
import socket
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import NullPool, create_engine
from sqlalchemy.exc import SQLAlchemyError

from vision_customization.common.backoff import Backoff
from vision_customization.engine.runtime.postgresql import CLIENT_KEEPALIVES

REST_SECONDS = 5.0
"""How often a process without work looks for some, in case a wake-up was lost."""

CHANNEL = "vision_engine"
_FOLDER = "wakeups"
_POLLING_SECONDS = 1.0
_BACKOFF = Backoff(0.2, 5.0)
_CLOSE_SECONDS = 2.0
_BYTES_AT_ONCE = 4096
_log = logging.getLogger(__name__)

if TYPE_CHECKING:
    import psycopg


class Wakeups(ABC):
    """Wake-ups between all processes of one engine, this one included. Safe to use from many threads."""

    def __init__(self) -> None:
        self._callbacks: list[Callable[[], object]] = []
        self._closing = False
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def subscribe(self, callback: Callable[[], object]) -> None:
        """Call `callback` at each wake-up, in a thread of the engine; several wake-ups may become one call. It must be quick.
        It is also called when wake-ups may have been lost."""
        self._callbacks.append(callback)
        self._start()

    @abstractmethod
    def wake(self) -> None:
        """Wake all subscribers. Does not wait for them and never fails: a process that misses it looks for work later."""

    def close(self) -> None:
        """Send what is not sent yet, and stop calling."""
        self._closing = True
        if self._thread is not None:
            self._poke()
            self._thread.join(_CLOSE_SECONDS)

    @abstractmethod
    def _listen(self) -> None:
        """Call `_tell` at each wake-up, until `_closing` is set and `_poke` was called."""

    @abstractmethod
    def _poke(self) -> None:
        """End the wait of the thread that listens."""

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._prepare()
                self._thread = threading.Thread(target=self._listen, name="wakeups", daemon=True)
                self._thread.start()

    def _prepare(self) -> None:  # noqa: B027 - not every database needs it
        """What must have happened before `subscribe` returns."""

    def _tell(self) -> None:
        for callback in self._callbacks:
            callback()


def open_wakeups(database_url: str, data_dir: Path) -> Wakeups:
    """The wake-ups of the engine with this database and data folder."""
    if database_url.startswith("postgresql"):
        return PostgreSQLWakeups(database_url)
    return PipeWakeups(data_dir / _FOLDER)


class PipeWakeups(Wakeups):
    """Wake-ups of the processes of one machine, by named pipes in `folder`.

    Where the file system has no named pipes, subscribers are called every second instead.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._pipe: Path | None = None
        self._reader = self._writer = -1
        self._poked = threading.Event()

    def wake(self) -> None:
        try:
            pipes = [path for path in self._folder.iterdir() if not path.name.startswith(".")]
        except OSError:
            return  # nobody has subscribed yet
        for pipe in pipes:
            try:
                descriptor = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
            except OSError as error:
                if error.errno == errno.ENXIO:  # its reader has ended without a goodbye
                    pipe.unlink(missing_ok=True)
                continue
            with contextlib.suppress(OSError):  # it is full: its reader will be woken anyway; or its reader has just ended
                os.write(descriptor, b"\n")
            os.close(descriptor)

    def close(self) -> None:
        super().close()
        if self._pipe is not None:
            self._pipe.unlink(missing_ok=True)
            self._pipe = None
            os.close(self._writer)

    def _prepare(self) -> None:
        name = f"{os.getpid()}-{secrets.token_hex(4)}"
        draft = self._folder / f".{name}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            os.mkfifo(draft, 0o600)
            # Opened before others can see it: they delete pipes that nobody reads.
            self._reader = os.open(draft, os.O_RDONLY | os.O_NONBLOCK)
            self._writer = os.open(draft, os.O_WRONLY | os.O_NONBLOCK)  # without a writer, a read would end at once
            os.set_blocking(self._reader, True)
            self._pipe = draft.rename(self._folder / name)
        except OSError as error:
            draft.unlink(missing_ok=True)
            _log.warning(
                "named pipes do not work in %s (%s): the engine looks for work every second",
                self._folder,
                error.strerror,
            )

    def _listen(self) -> None:
        if self._pipe is None:
            while not self._poked.wait(_POLLING_SECONDS):
                self._tell()
            return
        while True:
            os.read(self._reader, _BYTES_AT_ONCE)
            if self._closing:
                break
            self._tell()
        os.close(self._reader)

    def _poke(self) -> None:
        self._poked.set()
        if self._pipe is not None:
            with contextlib.suppress(BlockingIOError):  # it is full
                os.write(self._writer, b"\n")


class PostgreSQLWakeups(Wakeups):
    """Wake-ups by LISTEN and NOTIFY. One connection does both, and only the thread of this object uses it.

    A lost connection is made again. What could not be sent meanwhile is sent then.
    """

    def __init__(self, database_url: str) -> None:
        super().__init__()
        self._engine = create_engine(
            database_url,
            poolclass=NullPool,
            pool_reset_on_return=None,  # a lost connection cannot be reset
            isolation_level="AUTOCOMMIT",
            connect_args=CLIENT_KEEPALIVES,
        )
        self._unsent = False
        self._poked, self._poker = socket.socketpair()  # a thread can wait for it and for a connection at once
        self._poked.setblocking(False)
        self._poker.setblocking(False)

    def wake(self) -> None:
        self._unsent = True
        self._start()
        self._poke()

    def close(self) -> None:
        super().close()
        if self._thread is None or not self._thread.is_alive():
            self._poked.close()
            self._poker.close()

    def _listen(self) -> None:
        import psycopg  # an engine with SQLite does without

        failures = 0
        while True:
            try:
                with contextlib.closing(self._engine.raw_connection()) as pooled:
                    connection: psycopg.Connection[Any] = cast("Any", pooled.driver_connection)
                    connection.execute(f"LISTEN {CHANNEL}")
                    failures = 0
                    self._tell()  # wake-ups may have been lost while nobody listened
                    self._converse(connection)
                    return
            except (psycopg.Error, SQLAlchemyError, OSError) as error:
                failures += 1
                self._unsent = True
                if failures == 1:
                    _log.warning("wake-ups pause: PostgreSQL does not answer (%s); it is tried again", type(error).__name__)
                if self._closing:
                    return
                _wait_for_input(self._poked.fileno(), seconds=_BACKOFF.wait_seconds(failures))
                self._forget_pokes()

    def _converse(self, connection: "psycopg.Connection[Any]") -> None:
        """Send and receive wake-ups until this object is closed. Raises psycopg.Error when the connection is lost."""
        while True:
            if self._unsent:
                self._unsent = False
                connection.execute(f"NOTIFY {CHANNEL}")
            if list(connection.notifies(timeout=0)):  # some may have come together with the answer to NOTIFY
                self._tell()
            if self._closing:
                return
            _wait_for_input(connection.fileno(), self._poked.fileno())
            self._forget_pokes()

    def _poke(self) -> None:
        with contextlib.suppress(OSError):  # it is full, or closed
            self._poker.send(b"\n")

    def _forget_pokes(self) -> None:
        with contextlib.suppress(BlockingIOError):  # there are none
            self._poked.recv(_BYTES_AT_ONCE)


def _wait_for_input(*descriptors: int, seconds: float | None = None) -> None:
    """Wait until one of them can be read. Unlike `select`, with any number of open files."""
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    poll.poll(None if seconds is None else 1000 * seconds)
