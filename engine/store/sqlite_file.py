"""The engine's SQLite files: detects damage after a power loss before anything is written, and keeps an intact copy.

SQLite itself survives a crash, but relies on the disk and the file system. If these lose data that they reported as written, a
file may be empty, truncated, or filled with zeros.
"""

import logging
import os
import shutil
import sqlite3
import tempfile
import threading
import time
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from vision_customization.engine.errors import EngineError
from vision_customization.engine.settings import Settings

JOBS_FILE = "jobs.sqlite"

COPY_INTERVAL_SECONDS = 60.0
COPY_SHARE = 0.01
"""Maximum share of the time that copying a large database may take."""
_PAGES_AT_ONCE = 256
_SIDE_FILES = ("-wal", "-shm")

log = logging.getLogger("engine.database")


class DatabaseDamaged(EngineError):
    """The engine's database cannot be read any more."""


def database_file(settings: Settings) -> Path | None:
    """The file of the engine's database; None for PostgreSQL, and for a URL that is refused when it is opened."""
    try:
        url = make_url(settings.database_url)
    except ArgumentError:
        return None
    return Path(url.database).absolute() if url.drivername == "sqlite" and url.database not in (None, "", ":memory:") else None


def copy_of(file: Path) -> Path:
    """The path of the copy of a database, beside it."""
    return file.with_name(f"{file.name}.copy")


def damage(file: Path) -> str | None:
    """What is wrong with an SQLite file; None if it is intact or does not exist.

    Writes nothing, because SQLite would clean up a log that may still be useful. Reads the whole file, about 1 GB a second.
    """
    if not file.exists() or not file.stat().st_size:
        return "it is empty" if _has_log(file) else None
    try:
        with _reading(file) as connection:
            found = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
            page_bytes = int(connection.execute("PRAGMA page_size").fetchone()[0])
    except sqlite3.OperationalError:  # it is busy or unreadable: not damage, and reported when it is opened
        return None
    except sqlite3.DatabaseError as error:
        return str(error)
    if found == "ok" and file.stat().st_size % page_bytes:  # less than a page is a new database to SQLite
        return "it ends within a page"
    return None if found == "ok" else " ".join(found.split())


def _has_log(file: Path) -> bool:
    """Whether the file has a write-ahead log, which never exists without its database."""
    log_file = Path(f"{file}-wal")
    return log_file.exists() and log_file.stat().st_size > 0


def _reading(file: Path) -> closing[sqlite3.Connection]:
    return closing(_connect(file))


def _connect(file: Path) -> sqlite3.Connection:
    """A connection that only reads, for one thread at a time."""
    return sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=30, check_same_thread=False)


def check_database(settings: Settings) -> None:
    """Raise DatabaseDamaged, with the file and the remedy, if the database is damaged.

    An empty or missing file beside its copy, or beside trained models, counts as damage: SQLite would create a new database.
    """
    file = database_file(settings)
    if file is None:
        return
    reason = damage(file)
    if reason is None and _is_new(file):
        state = "empty" if file.exists() else "missing"
        models = _models_in(settings)
        if not _is_new(copy_of(file)):
            reason = f"it is {state}, and its copy is not"
        elif models:
            reason = f"it is {state}, and {_models_folder(settings)} holds {models} trained model{'s' if models > 1 else ''}"
    if reason is not None:
        raise DatabaseDamaged(f"The database {file} is damaged, as after a power loss ({reason}). {_remedy(settings, file)}")


def _is_new(file: Path) -> bool:
    """Whether a file holds no table, because it is missing, empty, or not SQLite's any more."""
    if not file.exists() or not file.stat().st_size or damage(file) is not None:
        return True
    with _reading(file) as connection:
        return not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]


def _models_folder(settings: Settings) -> Path:
    return settings.data_dir / "objects" / "models"


def _models_in(settings: Settings) -> int:
    if settings.objects_url is not None or not _models_folder(settings).is_dir():
        return 0
    return sum(1 for _ in _models_folder(settings).glob("*/model.onnx"))


def _remedy(settings: Settings, file: Path) -> str:
    copy = copy_of(file)
    if not _is_new(copy):
        made = datetime.fromtimestamp(copy.stat().st_mtime, UTC).strftime("%Y-%m-%d %H:%M UTC")
        command = f"vision-engine restore --data-dir {quote(str(settings.data_dir))}"
        return (
            f"An intact copy of {made} is beside it. Put it in place: {command}. "
            "Then run `pulumi up --refresh`, which creates again what the copy lacks."
        )
    return (
        f"It has no intact copy. Restore the file from a backup, or move it and {settings.data_dir / 'objects'} away "
        "to start with an empty database."
    )


def restore(settings: Settings) -> list[str]:
    """Replace a damaged database with its copy, and set a damaged database of jobs aside. Returns what was done, as lines.

    Damaged files are kept under another name.

    Raises:
        DatabaseDamaged: there is no intact copy.
    """
    done = set_aside_jobs(settings)
    file = database_file(settings)
    try:
        check_database(settings)
    except DatabaseDamaged:
        assert file is not None
        copy = copy_of(file)
        if _is_new(copy):
            raise
        handle, draft = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
        os.close(handle)
        try:
            shutil.copyfile(copy, draft)
            _sync(Path(draft))
            aside = _set_aside(file)
            Path(draft).replace(file)
        finally:
            Path(draft).unlink(missing_ok=True)
        done.append(f"{file} was restored from its copy. The damaged file is now {aside}.")
    return done


def set_aside_jobs(settings: Settings) -> list[str]:
    """Rename a damaged database of jobs, so that an empty one takes its place. Returns what was done, as lines.

    Nothing is lost: the workers enqueue unfinished jobs again, and computed data is stored among the objects.
    """
    file = settings.data_dir / JOBS_FILE
    if settings.on_postgresql or (reason := damage(file)) is None:
        return []
    aside = _set_aside(file)
    return [f"{file} was damaged, as after a power loss ({reason}). It is now {aside}, and its jobs start again."]


def _set_aside(file: Path) -> Path:
    aside = file.with_name(f"{file.name}.damaged-{time.strftime('%Y%m%dT%H%M%S')}")
    for suffix in ("", *_SIDE_FILES):
        with suppress(FileNotFoundError):
            Path(f"{file}{suffix}").rename(f"{aside}{suffix}")
    return aside


def _sync(file: Path) -> None:
    with file.open("rb+") as written:
        os.fsync(written.fileno())


class DatabaseCopies:
    """Keeps an intact copy of an SQLite database beside it, renewed within a minute of a change."""

    def __init__(self, file: Path, interval_seconds: float = COPY_INTERVAL_SECONDS) -> None:
        self._file = file
        self._interval = interval_seconds
        self._connection: sqlite3.Connection | None = None
        self._copied: int | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="database-copies", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop, and make a last copy."""
        self._stopping.set()
        self._thread.join()
        self._look()
        self._disconnect()

    def copy(self) -> None:
        """Copy the database, completely or not at all. Others may read and write it meanwhile."""
        target = copy_of(self._file)
        handle, draft = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        os.close(handle)
        try:
            with _reading(self._file) as source, closing(sqlite3.connect(draft)) as drafted:
                source.backup(drafted, pages=_PAGES_AT_ONCE, sleep=0.01)
                drafted.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
            _sync(Path(draft))
            Path(draft).replace(target)
        finally:
            Path(draft).unlink(missing_ok=True)

    def _run(self) -> None:
        wait = 0.0
        while not self._stopping.wait(wait):
            begun = time.monotonic()
            self._look()
            wait = max(self._interval, (time.monotonic() - begun) / COPY_SHARE)

    def _look(self) -> None:
        try:
            now = self._version()
            if now != self._copied:
                self.copy()
                self._copied = now
        except (OSError, sqlite3.Error) as error:
            self._disconnect()
            log.warning("the database was not copied; it is tried again", extra={"reason": str(error)})

    def _version(self) -> int:
        """Changes with each commit of another connection. The files' times change before the commit can be read."""
        if self._connection is None:
            self._connection = _connect(self._file)
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = self._copied = None  # the numbers of two connections have nothing in common
