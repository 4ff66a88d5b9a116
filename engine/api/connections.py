"""Bounds on connections: how many may be open, and how long a client may take to send its request.

Without bounds, anyone who can reach the port could open connections until the process has no file descriptor left for its work.
If there are too many, one that waits for a request is closed: the oldest that has never sent one, else the oldest idle one.
"""

import asyncio
import logging
import resource
import time
from array import array
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from fcntl import ioctl
from itertools import islice, takewhile
from termios import TIOCOUTQ
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 15.0
"""Time from a connection's start, or from its last answer, until the next request's head must be complete."""

BODY_SECONDS = 20.0
BODY_BYTES_LEAST = 2560
"""At least this many bytes of a request's body must arrive in BODY_SECONDS."""

ANSWER_SECONDS = 60.0
"""How long a client may go without reading any of its answer."""

CONNECTIONS_MAX = 2048
FILES_FOR_WORK = 256
"""File descriptors reserved for databases, images, models, logs and other services: connections do not get them."""

_BACKLOG_MAX = 256
_FILES_WANTED = 65_536
_LOG_SECONDS = 60.0
_LOOK_SECONDS = 0.05
_CLOSED_AT_ONCE = 32

log = logging.getLogger("engine.connections")


class Closed(StrEnum):
    """Why a connection was closed."""

    TOO_MANY = "too many connections"
    SLOW_HEAD = "no request in time"
    SLOW_BODY = "slow body"
    SLOW_READER = "answer not read"


@dataclass(frozen=True)
class Limits:
    """`files`: descriptors that this process may have. `backlog`: connections that may wait to be accepted."""

    files: int
    connections: int
    backlog: int

    @classmethod
    def of(cls, files: int, connections: int = CONNECTIONS_MAX) -> "Limits":
        """The limits that leave FILES_FOR_WORK of `files` descriptors, even if a whole backlog is accepted at once."""
        backlog = min(_BACKLOG_MAX, max(16, files // 4))
        return cls(files, max(16, min(connections, files - FILES_FOR_WORK - backlog)), backlog)


def raise_file_limit() -> int:
    """Raise this process's limit of file descriptors as far as allowed, to 65,536 at most. Returns the new limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES_WANTED if hard == resource.RLIM_INFINITY else min(hard, _FILES_WANTED)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted if soft == resource.RLIM_INFINITY else soft
    # Some systems allow fewer than they report.
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


class Connections:
    """All connections of a server. For one event loop. `clock` gives seconds."""

    def __init__(self, most: int = CONNECTIONS_MAX, clock: Callable[[], float] = time.monotonic) -> None:
        self.most = most
        self._clock = clock
        self._open: set[BoundedConnection] = set()
        # Dictionaries, because they keep the order; the values say since when a connection waits.
        self._new: dict[BoundedConnection, float] = {}
        self._idle: dict[BoundedConnection, float] = {}
        self._due: asyncio.TimerHandle | None = None
        self._closed: Counter[Closed] = Counter()
        self._unsaid: Counter[Closed] = Counter()
        self._said = float("-inf")

    @property
    def open(self) -> int:
        return len(self._open)

    @property
    def waiting(self) -> int:
        """Connections on which no request is being answered."""
        return len(self._new) + len(self._idle)

    @property
    def closed(self) -> Mapping[Closed, int]:
        """How many connections were closed because of a bound, by reason."""
        return self._closed

    def add(self, connection: "BoundedConnection") -> None:
        """Count a new connection; if that is one too many, close the one that is needed least."""
        missed_least = next(iter(self._new or self._idle), connection)
        self._open.add(connection)
        self._new[connection] = self._clock()
        if len(self._open) > self.most:
            self.close(missed_least, Closed.TOO_MANY)

    def answers(self, connection: "BoundedConnection") -> None:
        """Note that a request's head has arrived on it."""
        self._new.pop(connection, None)
        self._idle.pop(connection, None)

    def waits(self, connection: "BoundedConnection") -> None:
        """Note that its request is answered and no other has arrived yet."""
        if connection in self._open:
            self._idle[connection] = self._clock()

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Close connections that have waited too long, a few at a time: closing many at once would delay other requests."""
        if self._due is None:
            self._due = loop.call_later(_LOOK_SECONDS, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._due = None
        before = self._clock() - HEAD_SECONDS
        late: list[BoundedConnection] = []
        for waiting in (self._new, self._idle):
            due = takewhile(lambda item: item[1] <= before, waiting.items())
            late += (connection for connection, _ in islice(due, _CLOSED_AT_ONCE))
        for connection in late:
            if connection.is_sending():
                # The next request is not late while the last answer is still being sent.
                self.answers(connection)
                self.waits(connection)
            else:
                self.close(connection, Closed.SLOW_HEAD)
        if self.waiting:
            self.watch(loop)

    def remove(self, connection: "BoundedConnection") -> None:
        self._open.discard(connection)
        self.answers(connection)

    def close(self, connection: "BoundedConnection", reason: Closed) -> None:
        """Close a connection without a further answer, and log that at most once a minute."""
        self.remove(connection)
        if connection.transport.get_write_buffer_size():
            connection.transport.abort()
        else:
            connection.transport.close()  # the system still sends what it has taken of an answer
        self._closed[reason] += 1
        self._unsaid[reason] += 1
        now = self._clock()
        if now - self._said >= _LOG_SECONDS:
            counts = {reason.value: count for reason, count in self._unsaid.items()}
            log.warning("connections closed", extra={"closed": counts, "open": self.open, "most": self.most})
            self._said = now
            self._unsaid.clear()


class BoundedConnection(H11Protocol):
    """uvicorn's protocol with time limits for a request's head, for its body, and for reading the answer."""

    def __init__(self, connections: Connections, **arguments: Any) -> None:  # noqa: ANN401 - uvicorn's own
        super().__init__(**arguments)
        self._bounds = connections
        self._timer: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None
        self._received = 0
        self._answering = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._bounds.add(self)
        self._bounds.watch(self.loop)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        self._stop_stall()
        self._bounds.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        super().data_received(data)

    def handle_events(self) -> None:
        super().handle_events()
        if self.cycle is None or self.cycle.response_complete:
            return
        if not self._answering:
            self._answering = True
            self._bounds.answers(self)
            self._stop()
            if self.cycle.more_body:
                self._await_body()
        elif not self.cycle.more_body:
            self._stop()

    def on_response_complete(self) -> None:
        self._answering = False
        self._stop()
        self._bounds.waits(self)
        self._bounds.watch(self.loop)
        super().on_response_complete()

    def is_sending(self) -> bool:
        """Whether a part of the last answer is not sent yet. A client that does not read it is cut off in time."""
        if not self.transport.get_write_buffer_size():
            return self.transport.is_closing()
        if self._stall is None:
            self._await_reader()
        return True

    def pause_writing(self) -> None:
        super().pause_writing()
        self._await_reader()

    def resume_writing(self) -> None:
        self._stop_stall()
        super().resume_writing()

    def _await_body(self) -> None:
        self._received = 0
        self._timer = self.loop.call_later(BODY_SECONDS, self._body_is_late)

    def _await_reader(self) -> None:
        self._stop_stall()
        self._stall = self.loop.call_later(ANSWER_SECONDS, self._answer_is_late, self._unread_bytes())

    def _answer_is_late(self, unread: int) -> None:
        self._stall = None
        if not self.transport.get_write_buffer_size():
            return
        if self._unread_bytes() < unread:
            self._await_reader()
        else:
            self._bounds.close(self, Closed.SLOW_READER)

    def _unread_bytes(self) -> int:
        """Bytes that the client has not read yet, in this process and in the system, which takes them in large steps."""
        queued = array("i", [0])
        with suppress(OSError, ValueError, AttributeError):  # not every system reports it
            ioctl(self.transport.get_extra_info("socket").fileno(), TIOCOUTQ, queued)
        return self.transport.get_write_buffer_size() + queued[0]

    def _stop_stall(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def _body_is_late(self) -> None:
        # A body that the application has not asked for yet is not late.
        if self._received >= BODY_BYTES_LEAST or self.flow.read_paused:
            self._await_body()
        else:
            self._bounds.close(self, Closed.SLOW_BODY)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
