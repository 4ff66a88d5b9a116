"""Tells an autoscaler how many workers are needed, by the number of messages in a queue of Azure Storage.

The autoscaler of Azure Container Apps can read such a queue as a managed identity, and can't log in to PostgreSQL as one. What
the messages say does not matter. Nobody works them off: the engine takes them away as jobs end.
"""

import logging
import threading
import time
from typing import Protocol, Self

from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from vision_customization.contract.workers_query import WORKERS_QUERY
from vision_customization.engine.blobs.identity import ManagedIdentity, named
from vision_customization.engine.errors import SettingsError
from vision_customization.engine.jobs.storage_queue import TAKEN_MAX, Message, QueueUnavailable, StorageQueue
from vision_customization.engine.runtime.postgresql import CLIENT_KEEPALIVES
from vision_customization.engine.runtime.wakeups import Wakeups
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import database_login  # noqa: F401 - it hears of each new connection

LOOK_SECONDS = 10.0
"""How often a process asks the database how many workers are needed, if nothing wakes it."""

COUNT_SECONDS = 60.0
"""How often a process counts the messages although the same number of workers is needed: another process may have failed."""

MESSAGES_MAX = 1000
"""An app has at most this many replicas: https://learn.microsoft.com/azure/container-apps/scale-app#scale-definition."""

_LOCK = 0x76697371  # "visq": an arbitrary number, the same for every engine
_LOGGED_SECONDS = 60.0
_log = logging.getLogger(__name__)


class Messages(Protocol):
    """What `balance` needs of a queue."""

    def count(self) -> int: ...

    def put(self) -> None: ...

    def take(self, most: int) -> list[Message]: ...

    def delete(self, message: Message) -> None: ...


def balance(queue: Messages, needed: int) -> None:
    """Make the number of messages `needed`: put those that are missing, delete those that are too many.

    Messages that another process has taken can't be deleted now; the next call sees to them.
    """
    there = queue.count()
    for _ in range(needed - there):
        queue.put()
    surplus = there - needed
    while surplus > 0 and (taken := queue.take(min(surplus, TAKEN_MAX))):
        for message in taken:
            queue.delete(message)
        surplus -= len(taken)


class WantedWorkers:
    """Keeps the number of messages in the queue equal to the number of workers that the database asks for.

    Every process of the engine does it: an API puts the first message of a job that it queues, and a worker takes the last one
    away when no API runs. A lock of the database lets one of them work at a time, so that two do not put the same message.
    Failures are logged, and it is tried again.
    """

    def __init__(self, settings: Settings, queue: StorageQueue, wakeups: Wakeups) -> None:
        self._queue = queue
        self._wakeups = wakeups
        self._engine: Engine = create_engine(
            settings.database_url, pool_size=1, max_overflow=0, pool_pre_ping=True, connect_args=CLIENT_KEEPALIVES
        )
        self._stopping, self._woken = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._told: tuple[int, float] | None = None
        self._logged_at = float("-inf")

    @classmethod
    def open(cls, settings: Settings, wakeups: Wakeups) -> Self | None:
        """None if the settings name no queue. Raises SettingsError if the engine has no identity to use it with."""
        if settings.worker_queue is None:
            return None
        identity = ManagedIdentity()
        if not identity.exists:
            raise SettingsError(
                "worker_queue (VISION_ENGINE_WORKER_QUEUE): the engine has no managed identity to use "
                f"{settings.worker_queue}. Assign one to the host that runs the engine, or leave out the setting."
            )
        return cls(settings, StorageQueue(settings.worker_queue, identity.credential, named(identity)), wakeups)

    def start(self) -> None:
        self._wakeups.subscribe(self._woken.set)
        self._thread = threading.Thread(target=self._run, name="wanted workers", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look for the last time: this process may be the last one that runs."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._woken.set()
        if self._thread is not None:
            self._thread.join()
            self._try_to_look()
        self._queue.close()
        self._engine.dispose()

    def look(self) -> None:
        """Count what is needed, and change the queue if that is another number than at the last call, or a minute has passed.

        Raises SQLAlchemyError or QueueUnavailable.
        """
        with self._engine.begin() as connection:
            needed = int(connection.exec_driver_sql(WORKERS_QUERY).scalar_one())
            now = time.monotonic()
            if self._told is not None and self._told[0] == needed and now - self._told[1] < COUNT_SECONDS:
                return
            self._told = None
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            needed = int(connection.exec_driver_sql(WORKERS_QUERY).scalar_one())  # while it waited, others have worked
            balance(self._queue, min(needed, MESSAGES_MAX))
            self._told = needed, now

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._woken.clear()
            self._try_to_look()
            self._woken.wait(LOOK_SECONDS)

    def _try_to_look(self) -> None:
        try:
            self.look()
        except (QueueUnavailable, SQLAlchemyError) as error:
            self._warn(str(error) if isinstance(error, QueueUnavailable) else f"the database fails: {type(error).__name__}")
        except Exception:  # noqa: BLE001 - it is logged, and the thread must live
            _log.exception("the number of workers needed is not told")

    def _warn(self, why: str) -> None:
        if time.monotonic() - self._logged_at >= _LOGGED_SECONDS:
            self._logged_at = time.monotonic()
            _log.warning("the autoscaler is not told how many workers are needed; it is tried again. %s", why)
