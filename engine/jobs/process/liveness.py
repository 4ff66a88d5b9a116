"""Which workers are alive: each holds a lock on its name for as long as its process lives, so that no heartbeat is needed.

With SQLite it is a lock on a file, which the kernel releases when the process ends, however it ends. With PostgreSQL it is an
advisory lock of a connection, which the server releases when the connection ends. Both sides monitor the connection, so that
the loss of a machine is noticed within half a minute.
"""

import contextlib
import fcntl
import hashlib
import os
import socket
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from vision_customization.engine.errors import EngineError
from vision_customization.engine.runtime.postgresql import CLIENT_KEEPALIVES, COUNT, IDLE_SECONDS, INTERVAL_SECONDS
from vision_customization.engine.settings import Settings

_SLOTS_MAX = 256
_LOCK_CLASS = 0x76697365  # "vise": keeps the workers' locks apart from others in the same database

_SERVER_KEEPALIVES = (
    f"SET tcp_keepalives_idle = {IDLE_SECONDS};"
    f"SET tcp_keepalives_interval = {INTERVAL_SECONDS};"
    f"SET tcp_keepalives_count = {COUNT}"
)
"""Without these settings, most servers notice only after two hours that a machine is gone, and keep its locks until then."""


class Lock(Protocol):
    def held(self) -> bool:
        """Whether the lock is still held: a lost connection loses it."""

    def release(self) -> None: ...


class Locks(Protocol):
    """Locks by worker name, seen by every worker of the engine."""

    def take(self, worker: str) -> Lock | None:
        """The lock, or None while another process holds it."""

    def close(self) -> None:
        """Stop taking locks; those already taken stay."""


def open_locks(settings: Settings) -> Locks:
    if settings.on_postgresql:
        return AdvisoryLocks(
            create_engine(
                settings.database_url,
                pool_size=1,  # to ask for others' locks with; a lock that is held keeps a connection to itself
                max_overflow=-1,
                pool_pre_ping=True,
                isolation_level="AUTOCOMMIT",
                connect_args=CLIENT_KEEPALIVES,
            )
        )
    return FileLocks(settings.data_dir / "workers")


def take_name(locks: Locks) -> tuple[str, Lock]:
    """A name for this worker that no living worker has: its machine's name and the first free number.

    A restarted worker thus gets its old name back, and with it the jobs that it had begun.
    """
    machine = socket.gethostname() or "worker"
    for slot in range(1, _SLOTS_MAX + 1):
        name = f"{machine}-{slot}"
        lock = locks.take(name)
        if lock is not None:
            return name, lock
    raise EngineError(f"{_SLOTS_MAX} workers are running on this machine already. Stop one first.")


class FileLocks:
    """Locks of this machine, as files in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def take(self, worker: str) -> "FileLock | None":
        self._folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._folder / f"{worker}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return FileLock(descriptor)

    def close(self) -> None:
        pass


class FileLock:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def held(self) -> bool:
        return True

    def release(self) -> None:
        os.close(self._descriptor)


class AdvisoryLocks:
    """Locks of a PostgreSQL database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def take(self, worker: str) -> "AdvisoryLock | None":
        key = int.from_bytes(hashlib.sha256(worker.encode()).digest()[:4], "big", signed=True)
        connection = self._engine.connect()
        query = text("SELECT pg_try_advisory_lock(:class, :key)")
        if connection.scalar(query, {"class": _LOCK_CLASS, "key": key}):
            connection.exec_driver_sql(_SERVER_KEEPALIVES)
            return AdvisoryLock(connection)
        connection.close()
        return None

    def close(self) -> None:
        self._engine.dispose()


class AdvisoryLock:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def held(self) -> bool:
        try:
            self._connection.execute(text("SELECT 1"))
        except DBAPIError:
            return False
        return True

    def release(self) -> None:
        # Release the lock explicitly, because the server notices the end of the connection a little later than we do.
        with contextlib.suppress(SQLAlchemyError):  # the connection may be lost, and the lock with it
            self._connection.execute(text("SELECT pg_advisory_unlock_all()"))
        self._connection.invalidate()
        self._connection.close()
