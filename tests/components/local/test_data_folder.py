"""Data folders that are moved and copied, and notes about their processes."""

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from vision_customization.components.local import data_folder
from vision_customization.components.local.data_folder import (
    conflict,
    displacement,
    is_copy,
    move_data,
    note_of_original,
    note_path,
    note_undeleted,
    read_note,
    read_undeleted,
    write_note,
)

NOTE: dict[str, Any] = {"pid": 1234, "started": "boot/5", "port": 4711, "identity": "digest"}


@pytest.fixture
def program(tmp_path: Path) -> Path:
    file = tmp_path / "bin" / "server"
    file.parent.mkdir()
    file.touch()
    return file


@pytest.fixture
def folder(tmp_path: Path, program: Path) -> Path:
    """The data folder of a running service."""
    folder = tmp_path / "checkout" / "data"
    folder.mkdir(parents=True)
    (folder / "index").write_text("data")
    write_note(folder, NOTE, program)
    return folder


def test_a_service_in_its_place_is_left_alone(folder: Path, tmp_path: Path) -> None:
    assert displacement(folder) is None
    (tmp_path / "link").symlink_to(folder.parent)
    assert displacement(tmp_path / "link" / "data") is None
    assert displacement(tmp_path / "nothing") is None


def test_a_moved_folder_names_the_place_that_its_service_runs_from(folder: Path, tmp_path: Path) -> None:
    folder.parent.rename(tmp_path / "moved")
    moved = tmp_path / "moved" / "data"
    assert displacement(moved) == f"it runs from another place, {folder}"
    assert not is_copy(moved)
    folder.parent.symlink_to(tmp_path / "moved")
    assert displacement(moved) is None, "the former paths lead to it again"


@pytest.mark.parametrize("change", ["removed", "installed again"])
def test_a_program_that_is_not_the_one_that_was_started_is_seen(folder: Path, program: Path, change: str) -> None:
    if change == "removed":
        program.unlink()
    else:
        os.utime(program, (1, 1))
    assert displacement(folder) == f"its program {program} was moved, or installed again"


def test_a_copied_folder_is_told_from_a_moved_one(folder: Path, tmp_path: Path, program: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    note_path(copy).write_text(note_path(folder).read_text())
    assert is_copy(copy)
    assert displacement(copy) == f"process 1234 serves {folder}, of which {copy} is a copy"
    write_note(folder, {**NOTE, "pid": 4321}, program)
    assert not is_copy(copy), "the original has another process by now"
    assert note_of_original(copy) == read_note(folder)
    write_note(copy, NOTE, program)
    assert note_of_original(copy) is None


def test_a_note_of_an_older_version_says_nothing_of_places(tmp_path: Path) -> None:
    note_path(tmp_path).write_text('{"pid": 1, "started": 2.0, "port": 3, "identity": "x"}')
    assert displacement(tmp_path) is None
    assert not is_copy(tmp_path)


@pytest.mark.parametrize("across_disks", [False, True])
def test_data_moves_over_a_folder_that_has_only_a_log(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, across_disks: bool
) -> None:
    target = tmp_path / "other" / "data"
    target.mkdir(parents=True)
    (target / "log.txt").touch()
    if across_disks:
        rename = Path.rename

        def refuse(path: Path, to: Path) -> Path:
            if (path, to) == (folder, target):
                raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
            return rename(path, to)

        monkeypatch.setattr(data_folder.Path, "rename", refuse)
    assert conflict(folder, target) is None
    move_data(folder, target)
    assert sorted(path.name for path in target.iterdir()) == ["index", "service.json"]
    assert not folder.parent.exists()
    move_data(folder, target)
    assert (target / "index").read_text() == "data", "an interrupted update moves it once"


def test_two_folders_with_data_are_a_conflict(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "other"
    target.mkdir()
    (target / "index").touch()
    said = conflict(folder, target)
    assert said
    assert str(folder) in said
    assert str(target) in said
    assert conflict(tmp_path / "gone", target) is None


@pytest.mark.parametrize("link", [False, True])
def test_the_same_folder_by_another_path_stays(folder: Path, tmp_path: Path, link: bool) -> None:
    other = tmp_path / "link" if link else folder / ".." / folder.name
    if link:
        other.symlink_to(folder)
    held = sorted(path.name for path in folder.iterdir())
    assert conflict(folder, other) is None
    move_data(folder, other)
    assert sorted(path.name for path in folder.iterdir()) == held


def test_a_folder_does_not_move_into_itself(folder: Path) -> None:
    assert "cannot move into itself" in str(conflict(folder, folder / "inside"))


def test_what_a_killed_move_to_another_disk_left_is_not_taken_for_data(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was killed while it deleted the former folder: the new one is complete."""
    target = tmp_path / "elsewhere" / "engine"
    rename = Path.rename

    def across_disks(self: Path, place: Path) -> Path:
        if self == folder and place == target:
            raise OSError(errno.EXDEV, "another disk")
        return rename(self, place)

    def killed(path: Path, ignore_errors: bool = False) -> None:
        if path.exists() and not ignore_errors:
            raise KeyboardInterrupt

    monkeypatch.setattr(Path, "rename", across_disks)
    monkeypatch.setattr(shutil, "rmtree", killed)
    held = sorted(path.name for path in folder.iterdir())
    with pytest.raises(KeyboardInterrupt):
        move_data(folder, target)
    assert not folder.exists()
    assert sorted(path.name for path in target.iterdir()) == held
    monkeypatch.undo()
    assert conflict(folder, target) is None
    move_data(folder, target)
    assert sorted(path.name for path in target.iterdir()) == held
    assert not folder.with_name(f".{folder.name}.moved").exists()


def test_what_was_not_deleted_is_kept_in_the_folder(folder: Path, tmp_path: Path) -> None:
    assert read_undeleted(folder) == []
    note_undeleted(folder, [])
    assert read_undeleted(folder) == []
    note_undeleted(folder, ["published name 'leaves'"])
    assert read_undeleted(folder) == ["published name 'leaves'"]
    note_undeleted(tmp_path / "gone", ["model 'x'"])
    assert not (tmp_path / "gone").exists()
