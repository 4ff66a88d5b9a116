"""Gives older versions of SQLite a function that the job library needs.

With Python 3.12 and later, DBOS dates its rows by `unixepoch('subsec')`, which SQLite has since 3.42: older versions return no
value and refuse the row. Debian 12 has 3.40, Ubuntu 22.04 has 3.37, and a Python that was built there uses them.
"""

import sqlite3
import time

from sqlalchemy import Engine, event

from vision_customization.engine.errors import SettingsError

LEAST_SQLITE = (3, 37, 0)
"""The oldest version that the engine was tested with."""

_KNOWS_SUBSECONDS = (3, 42, 0)


def check_sqlite(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> None:
    """Raises SettingsError if this Python's SQLite is too old."""
    if version < LEAST_SQLITE:
        found, least = (".".join(map(str, numbers)) for numbers in (version, LEAST_SQLITE))
        raise SettingsError(
            f"This Python has SQLite {found}, but at least {least} is required. Use another Python (`uv python install` "
            "installs one with a current SQLite), or PostgreSQL (VISION_ENGINE_DATABASE_URL)."
        )


def unixepoch(*arguments: str) -> float:
    """Seconds since 1970 with milliseconds, as SQLite's own function of this name for `'subsec'`, its one use."""
    if arguments != ("subsec",):
        raise ValueError(f"SQLite {sqlite3.sqlite_version} does not support unixepoch{arguments}")
    return round(time.time(), 3)


def teach(connection: object, _record: object = None) -> None:
    """Add the function to an SQLite connection; other connections stay unchanged."""
    if isinstance(connection, sqlite3.Connection):
        connection.create_function("unixepoch", -1, unixepoch)


if sqlite3.sqlite_version_info < _KNOWS_SUBSECONDS:
    # For all SQLAlchemy engines, because DBOS creates its own.
    event.listen(Engine, "connect", teach)
