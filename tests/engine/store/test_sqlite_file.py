"""What a power loss leaves of the SQLite files: found, named with a remedy, and nothing lost that can be saved."""

import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.support.waiting import wait_until
from vision_customization.contract.enums import ModelKind
from vision_customization.engine.cli import main
from vision_customization.engine.jobs.queue import JobQueue, prepare_system_database
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import Store, TrainingOrder
from vision_customization.engine.store import sqlite_file as files
from vision_customization.engine.store.sqlite_file import (
    DatabaseCopies,
    DatabaseDamaged,
    check_database,
    copy_of,
    damage,
    set_aside_jobs,
)

Cut = Callable[[Path], object]


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def halved(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def last_page_lost(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-4096])


def head_cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:50])


def half_a_page_left(file: Path) -> None:
    """To SQLite it is a new database."""
    file.write_bytes(file.read_bytes()[:2048])


def zeroed(file: Path) -> None:
    file.write_bytes(bytes(file.stat().st_size))


def page_zeroed(file: Path) -> None:
    data = file.read_bytes()
    file.write_bytes(data[: 8 * 4096] + bytes(4096) + data[9 * 4096 :])


CUTS = [emptied, halved, last_page_lost, half_a_page_left, head_cut, zeroed, page_zeroed]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """An engine with one model, which was stopped in order."""
    settings = Settings(data_dir=tmp_path, keys=("k",))
    store = Store.open(settings)
    copies = DatabaseCopies(tmp_path / "engine.sqlite")
    copies.start()
    record = store.models.create(
        "kept", TrainingOrder(training_dataset_name="d", time_budget_in_hours=1, model_kind=ModelKind.GENERIC_CLASSIFIER)
    )
    artifact = tmp_path / "objects" / "models" / record.id / "model.onnx"
    artifact.parent.mkdir(parents=True)
    artifact.write_bytes(b"onnx")
    copies.stop()
    store.close()
    prepare_system_database(settings)
    return settings


def models_of(settings: Settings) -> list[str]:
    store = Store.open(settings)
    names = [model.name for model in store.models.page(0, 10)]
    store.close()
    return names


def set_aside(settings: Settings, name: str) -> list[Path]:
    return [file for file in settings.data_dir.glob(f"{name}.damaged-*") if not file.name.endswith(("-wal", "-shm"))]


def restored(settings: Settings) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["restore", "--data-dir", str(settings.data_dir)], env={})
    return result.exit_code, result.output


@pytest.mark.parametrize("cut", CUTS)
def test_a_damaged_database_is_named_with_its_remedy_and_comes_back(settings: Settings, cut: Cut) -> None:
    file = settings.data_dir / "engine.sqlite"
    cut(file)
    before = file.read_bytes()
    with pytest.raises(DatabaseDamaged) as told:
        check_database(settings)
    assert f"The database {file} is damaged, as after a power loss (" in str(told.value)
    assert f"vision-engine restore --data-dir {settings.data_dir}" in str(told.value)
    assert file.read_bytes() == before, "to look changes nothing"
    status, text = restored(settings)
    assert (status, models_of(settings)) == (0, ["kept"])
    [aside] = set_aside(settings, "engine.sqlite")
    assert aside.read_bytes() == before
    assert f"{file} was restored from its copy. The damaged file is now {aside}." in text
    check_database(settings)


def test_a_database_that_has_vanished_is_missed(settings: Settings) -> None:
    (settings.data_dir / "engine.sqlite").unlink()
    with pytest.raises(DatabaseDamaged, match=r"it is missing, and its copy is not\)"):
        check_database(settings)
    copy = copy_of(settings.data_dir / "engine.sqlite")
    content = copy.read_bytes()
    copy.unlink()
    with pytest.raises(DatabaseDamaged, match=r"it is missing, and .*/objects/models holds 1 trained model\)"):
        check_database(settings)
    copy.write_bytes(content)
    assert restored(settings)[0] == 0
    assert models_of(settings) == ["kept"]


@pytest.mark.parametrize("objects_url", [None, "https://acct.blob.core.windows.net/objects"])
def test_a_copy_tells_that_a_database_was_not_always_empty(settings: Settings, objects_url: str | None) -> None:
    """Whether there are models or not, and wherever they are."""
    shutil.rmtree(settings.data_dir / "objects")
    emptied(settings.data_dir / "engine.sqlite")
    before = copy_of(settings.data_dir / "engine.sqlite").read_bytes()
    elsewhere = settings.model_copy(update={"objects_url": objects_url})
    with pytest.raises(DatabaseDamaged, match=r"it is empty, and its copy is not\)"):
        Store.open(elsewhere)
    assert copy_of(settings.data_dir / "engine.sqlite").read_bytes() == before


def test_a_disk_that_is_full_leaves_the_database_where_it_is(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    halved(settings.data_dir / "engine.sqlite")
    before = contents(settings.data_dir)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", full)
    assert restored(settings)[0] != 0
    assert contents(settings.data_dir) == before


@pytest.mark.parametrize("cut_copy", [emptied, halved, Path.unlink])
def test_without_a_whole_copy_nothing_is_touched(settings: Settings, cut_copy: Cut) -> None:
    file = settings.data_dir / "engine.sqlite"
    halved(file)
    cut_copy(copy_of(file))
    if cut_copy is emptied:
        copy_of(file).unlink()
    before = contents(settings.data_dir)
    status, text = restored(settings)
    assert status == 1
    assert "It has no intact copy. Restore the file from a backup, or move it and" in text
    assert contents(settings.data_dir) == before


def contents(folder: Path) -> dict[Path, bytes]:
    """Of all files but locks and what SQLite makes to read by."""
    passing = (".lock", "-shm")
    return {
        path: data
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(passing) and ((data := path.read_bytes()) or "-wal" not in path.name)
    }


def test_an_empty_file_beside_its_log_is_not_thrown_away_with_it(tmp_path: Path) -> None:
    """SQLite itself deletes a log whose database is empty."""
    file = tmp_path / "engine.sqlite"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE t (x)")
        connection.commit()
        shutil.copy(tmp_path / "engine.sqlite-wal", tmp_path / "log")
    emptied(file)
    shutil.copy(tmp_path / "log", tmp_path / "engine.sqlite-wal")
    log = (tmp_path / "engine.sqlite-wal").read_bytes()
    assert damage(file) == "it is empty"
    with pytest.raises(DatabaseDamaged):
        check_database(Settings(data_dir=tmp_path))
    assert (tmp_path / "engine.sqlite-wal").read_bytes() == log != b""


def test_a_new_engine_and_a_busy_one_are_not_damaged(tmp_path: Path, settings: Settings) -> None:
    check_database(Settings(data_dir=tmp_path / "new"))
    with closing(sqlite3.connect(settings.data_dir / "engine.sqlite", isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        check_database(settings)
    assert restored(settings) == (0, "No database is damaged: there is nothing to restore.\n")


@pytest.mark.parametrize("cut", CUTS[1:])
def test_a_damaged_database_of_jobs_is_set_aside(settings: Settings, cut: Cut) -> None:
    file = settings.data_dir / "jobs.sqlite"
    cut(file)
    [line] = set_aside_jobs(settings)
    assert line.startswith(f"{file} was damaged, as after a power loss (")
    assert line.endswith("its jobs start again.")
    with JobQueue(settings) as queue:
        queue.enqueue_training("m")
    assert set_aside_jobs(settings) == []
    assert len(set_aside(settings, "jobs.sqlite")) == 1


def test_the_copy_follows_the_database(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "COPY_SHARE", 0.5)
    store = Store.open(settings)
    copies = DatabaseCopies(settings.data_dir / "engine.sqlite", interval_seconds=0.05)
    copies.start()
    copy = copy_of(settings.data_dir / "engine.sqlite")
    for name in ("first", "second"):
        store.models.create(
            name, TrainingOrder(training_dataset_name="d", time_budget_in_hours=1, model_kind=ModelKind.GENERIC_CLASSIFIER)
        )
        wait_until(lambda name=name: name in names_in(copy), f"{name} is in the copy", 10)
    stamp = copy.stat().st_mtime_ns
    time.sleep(0.3)
    assert copy.stat().st_mtime_ns == stamp, "where nothing changes, nothing is copied"
    store.models.create(
        "third", TrainingOrder(training_dataset_name="d", time_budget_in_hours=1, model_kind=ModelKind.GENERIC_CLASSIFIER)
    )
    copies.stop()
    assert "third" in names_in(copy)
    assert not list(settings.data_dir.glob(".engine.sqlite*")), "no draft is left"
    assert not copy.with_name(f"{copy.name}-wal").exists()
    store.close()


def test_a_commit_that_the_files_do_not_tell_of_is_copied(settings: Settings) -> None:
    """A log is written before what it holds can be read: a copy at that moment has the files' times, and not the commit."""
    file = settings.data_dir / "engine.sqlite"
    log_file = Path(f"{file}-wal")
    copies = DatabaseCopies(file)
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE t (x)")
        connection.execute("PRAGMA wal_checkpoint(RESTART)")
        copies._look()
        stamps = {path: path.stat() for path in (file, log_file)}
        connection.execute("INSERT INTO t VALUES (1)")
        for path, before in stamps.items():
            assert path.stat().st_size == before.st_size
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        copies._look()
    with closing(sqlite3.connect(copy_of(file))) as copy:
        assert copy.execute("SELECT x FROM t").fetchall() == [(1,)]
    copies._disconnect()


def names_in(copy: Path) -> list[str]:
    with closing(sqlite3.connect(copy)) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM models")]


def test_a_disk_that_is_full_costs_only_the_copy(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = copy_of(settings.data_dir / "engine.sqlite")
    before = copy.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    copies = DatabaseCopies(settings.data_dir / "engine.sqlite")
    copies.start()
    copies.stop()
    assert copy.read_bytes() == before
