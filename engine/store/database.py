"""The connection to SQLite or PostgreSQL, and the migration of its tables."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from alembic import command
from alembic.config import Config
from sqlalchemy import URL, ColumnElement, Connection, Engine, Select, create_engine, event, func, make_url, select, text
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.orm import InstrumentedAttribute, Session

from vision_customization.engine.blobs.identity import NoToken
from vision_customization.engine.errors import SettingsError
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import database_login  # noqa: F401 - it hears of each new connection
from vision_customization.engine.store.errors import Kind, NotFound

_BUSY_TIMEOUT_SECONDS = 30
_POSTGRESQL_MIGRATION_LOCK = 0x766973696F6E  # "vision": an arbitrary number, the same for every engine

R = TypeVar("R")
S = TypeVar("S", bound=StrEnum)


class Database:
    """Sessions on the engine's database, and the clock of all tables.

    A writing session holds SQLite's write lock from its start, so that what it has read is still true when it writes.
    """

    def __init__(self, settings: Settings, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.engine = _connect(settings)
        self._writing_engine = self.engine.execution_options(sqlite_begin="BEGIN IMMEDIATE")
        self.now = now

    def migrate(self) -> None:
        """Migrate the tables. Safe if several processes do it at once: one works, the others wait for it."""
        with self._writing_engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _POSTGRESQL_MIGRATION_LOCK})
            command.upgrade(_alembic(connection), "head")

    def ping(self) -> None:
        """Raise `sqlalchemy.exc.SQLAlchemyError` if the database does not answer."""
        with self.engine.connect() as connection:
            connection.execute(text("SELECT 1"))

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        with Session(self.engine) as session:
            yield session

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        """A session whose every query sees the database as it was at the first one."""
        with self.engine.connect() as connection:
            if connection.dialect.name == "postgresql":
                connection.execution_options(isolation_level="REPEATABLE READ")
            with Session(connection) as session:
                yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        with Session(self._writing_engine, expire_on_commit=False) as session, session.begin():
            yield session


class OneMoment:
    """Reads of a snapshot: all sessions are one, so that all of them see the database as it was at the first query."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        yield self._session

    snapshot = reading


def status_counts(
    session: Session, column: InstrumentedAttribute[str], statuses: type[S], which: ColumnElement[bool] | None = None
) -> dict[S, int]:
    """How many rows have each status; with `which`, of these rows."""
    query = select(column, func.count()).group_by(column)
    rows = session.execute(query if which is None else query.where(which))
    counts = {status: count for status, count in rows}  # noqa: C416 - rows are tuples only by shape
    return {status: counts.get(status.value, 0) for status in statuses}


def found(session: Session, query: Select[R], kind: Kind, name: str, *, lock: bool = False) -> R:
    """The one row of `query`; with `lock`, no other session can change it before this one ends. Raises NotFound."""
    row = session.scalar(query.with_for_update() if lock else query)
    if row is None:
        raise NotFound(kind, name)
    return row


def _connect(settings: Settings) -> Engine:
    try:
        url = make_url(settings.database_url)
    except ArgumentError:
        raise SettingsError("database_url is not a URL: expected sqlite:///… or postgresql://…") from None
    if url.drivername == "sqlite":
        return _connect_sqlite(url)
    if url.drivername == "postgresql+psycopg":
        # The smallest servers allow some 35 connections in all; a call uses one for milliseconds.
        return create_engine(url, pool_pre_ping=True, pool_size=3, max_overflow=3)
    raise SettingsError(f"database_url: {url.drivername} is not supported: expected sqlite or postgresql.")


def _connect_sqlite(url: URL) -> Engine:
    file = url.database
    if not file or file == ":memory:":
        raise SettingsError("database_url: an in-memory SQLite database cannot be shared with the workers. Name a file.")
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": _BUSY_TIMEOUT_SECONDS, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, record: object) -> None:  # noqa: ANN401, ARG001 - the driver's own type
        connection.isolation_level = None  # the driver must not begin transactions itself: `begin` below does
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("sqlite_begin", "BEGIN"))

    return engine


def _alembic(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def unreachable(error: DBAPIError) -> str:
    """The message for a database that cannot be opened, without its URL, which may contain a password."""
    if error.orig is not None and isinstance(reason := error.orig.__cause__, NoToken):
        return f"The database cannot be opened: {reason}"
    if "certificate" in str(error.orig):  # libpq has only words for it
        return (
            "The database cannot be opened: its certificate cannot be verified. Name the host as the certificate does, "
            "and its authorities in SSL_CERT_FILE, or in sslrootcert of VISION_ENGINE_DATABASE_URL."
        )
    return f"The database cannot be opened ({type(error.orig).__name__}). Check VISION_ENGINE_DATABASE_URL and that it runs."
