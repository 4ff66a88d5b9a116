"""What the job library expects of SQLite, for versions of SQLite that do not have it.

With Python 3.12 and later DBOS dates its rows by `unixepoch('subsec')`, which SQLite knows from 3.42 on: older versions give no
value, and refuse the row. Debian 12 has 3.40, Ubuntu 22.04 has 3.37, and a Python that was built there uses them.
"""

import sqlite3
import time

from sqlalchemy import Engine, event

from vision_customization.engine.errors import SettingsError

LEAST_SQLITE = (3, 37, 0)
"""The oldest that the engine was tried with."""

_KNOWS_SUBSECONDS = (3, 42, 0)


def check_sqlite(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> None:
    """Raises SettingsError where this Python's SQLite is too old."""
    if version < LEAST_SQLITE:
        found, least = (".".join(map(str, numbers)) for numbers in (version, LEAST_SQLITE))
        raise SettingsError(
            f"This Python has SQLite {found}, and at least {least} is needed. Use another Python (`uv python install` brings "
            "one with a current SQLite), or PostgreSQL (VISION_ENGINE_DATABASE_URL)."
        )


def unixepoch(*arguments: str) -> float:
    """Seconds since 1970 with milliseconds, as SQLite's own function of this name for `'subsec'`, its one use."""
    if arguments != ("subsec",):
        raise ValueError(f"unixepoch{arguments} is not known to SQLite {sqlite3.sqlite_version}")
    return round(time.time(), 3)


def teach(connection: object, _record: object = None) -> None:
    """Give a connection the function; one to another database is left alone."""
    if isinstance(connection, sqlite3.Connection):
        connection.create_function("unixepoch", -1, unixepoch)


if sqlite3.sqlite_version_info < _KNOWS_SUBSECONDS:
    # All engines: DBOS makes its own.
    event.listen(Engine, "connect", teach)
