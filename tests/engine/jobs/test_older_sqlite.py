"""What the job library expects of SQLite is there, whichever SQLite this Python has."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from toolchain import packages
from vision_customization.engine.errors import SettingsError
from vision_customization.engine.jobs.older_sqlite import LEAST_SQLITE, check_sqlite, teach, unixepoch

TABLE = "CREATE TABLE t (name TEXT, created_at INTEGER NOT NULL DEFAULT (unixepoch('subsec') * 1000))"
"""As DBOS makes its tables on Python 3.12 and later, which a Python 3.11 may open afterwards."""


def test_rows_are_dated_by_the_default_of_their_table(tmp_path: Path) -> None:
    before = time.time() * 1000 - 1
    engine = create_engine(f"sqlite:///{tmp_path / 'jobs.sqlite'}")
    with engine.begin() as connection:
        connection.execute(text(TABLE))
        connection.execute(text("INSERT INTO t (name) VALUES ('a')"))
        created = connection.scalar(text("SELECT created_at FROM t"))
    engine.dispose()
    assert isinstance(created, int | float)
    assert before <= created <= time.time() * 1000 + 1


def test_what_sqlite_is_taught_is_what_it_means() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        teach(connection)
        (seconds,) = connection.execute("SELECT unixepoch('subsec')").fetchone()
        assert abs(seconds - time.time()) < 5
        with pytest.raises(sqlite3.OperationalError):
            connection.execute("SELECT unixepoch('now', '-1 day')").fetchone()
    assert round(unixepoch("subsec"), 3) == pytest.approx(time.time(), abs=5)
    teach(object())  # a connection to PostgreSQL


def test_an_sqlite_that_is_too_old_is_named_with_a_remedy() -> None:
    with pytest.raises(SettingsError, match=r"This Python has SQLite 3.34.1, but at least 3.37.0 is required"):
        check_sqlite((3, 34, 1))
    check_sqlite((3, 37, 0))
    check_sqlite()


def test_set_up_asks_for_the_same_version() -> None:
    assert packages.LEAST_SQLITE == LEAST_SQLITE
