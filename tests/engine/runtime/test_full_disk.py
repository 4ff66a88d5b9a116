"""What is told of a full disk. The databases' errors are real ones; the disk's is the system's own code."""

import errno
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from vision_customization.engine.objects.files import FileObjects
from vision_customization.engine.runtime.full_disk import RESERVE_BYTES, DiskFull, full_disk


class Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.fixture(autouse=True)
def free_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: Usage(10**9, 10**9 - 2_000_000, 2_000_000))


def from_sqlite(folder: Path) -> Exception:
    """SQLite's own error, as SQLAlchemy passes it on."""
    engine = create_engine(f"sqlite:///{folder / 'small.sqlite'}")
    with engine.connect() as connection:
        connection.execute(text("PRAGMA max_page_count = 2"))
        connection.execute(text("CREATE TABLE t (data BLOB)"))
        with pytest.raises(OperationalError) as caught:
            connection.execute(text("INSERT INTO t VALUES (zeroblob(100000))"))
    engine.dispose()
    return caught.value


def from_a_cause(_folder: Path) -> Exception:
    error = RuntimeError("the step failed")
    error.__cause__ = OSError(errno.EDQUOT, "Disk quota exceeded")
    return error


@pytest.mark.parametrize("fault", [lambda _folder: OSError(errno.ENOSPC, "No space left on device"), from_a_cause, from_sqlite])
def test_a_full_disk_is_told_with_its_folder_and_what_can_go(fault: Callable[[Path], Exception], tmp_path: Path) -> None:
    (tmp_path / "objects" / "thumbnails").mkdir(parents=True)
    assert full_disk(fault(tmp_path), tmp_path) == (
        f"The disk of the data folder {tmp_path} is full: it has 2.0 MB free. Delete unused models and drafts, or "
        "these folders in it, which the engine fills again when it needs them: objects/thumbnails. Or enlarge the disk."
    )


def test_an_object_leaves_room_for_the_databases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = FileObjects(tmp_path)
    with pytest.raises(DiskFull) as caught:
        objects.put("models/m/model.onnx", bytes(3_000_000))
    told = full_disk(caught.value, tmp_path)
    assert told is not None
    assert (
        "it has 2.0 MB free, and 34.6 MB more are needed for a file of 3.0 MB and a reserve of 33.6 MB. Delete unused" in told
    )
    assert list((tmp_path / "models" / "m").iterdir()) == []
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: Usage(10**9, 0, RESERVE_BYTES + 3_000_000))
    objects.put("models/m/model.onnx", bytes(3_000_000))


def test_a_quota_that_nobody_sees_before_is_told_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_descriptor: int) -> None:
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: Usage(10**9, 0, 10**9))
    monkeypatch.setattr("os.fsync", refuse)
    with pytest.raises(DiskFull, match="5 bytes do not fit"):
        FileObjects(tmp_path).put("models/m/model.onnx", bytes(5))
    assert list((tmp_path / "models" / "m").iterdir()) == []


def test_a_full_server_of_the_database_is_told_as_that(tmp_path: Path) -> None:
    error = OperationalError("INSERT", {}, psycopg.errors.DiskFull("could not extend file"))
    error.__cause__ = error.orig
    assert full_disk(error, tmp_path) == "The disk of the engine's PostgreSQL server is full. Make room there."


@pytest.mark.parametrize("error", [OSError(errno.EACCES, "no"), ValueError("full"), sqlite3.OperationalError("locked")])
def test_anything_else_is_no_full_disk(error: Exception, tmp_path: Path) -> None:
    assert full_disk(error, tmp_path) is None
