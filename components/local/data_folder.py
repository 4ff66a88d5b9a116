"""The data folder of a local service: the note about its process, and what happens if the folder is moved or copied."""

import errno
import json
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

Note = dict[str, Any]

_NO_DATA = frozenset({"log.txt", "service.json", "undeleted.json"})
"""Files in a data folder that may be lost."""


def note_path(data_dir: Path) -> Path:
    return data_dir / "service.json"


def read_note(data_dir: Path) -> Note | None:
    try:
        note: Note = json.loads(note_path(data_dir).read_text())
    except (OSError, ValueError):
        return None
    return note


def write_note(data_dir: Path, note: Note, program: Path) -> None:
    """Write which process serves the folder, and from where: the folder's and the program's absolute paths at its start."""
    place = {"data_dir": str(data_dir.absolute()), "program": str(program.absolute()), "installed": _installed(program)}
    note_path(data_dir).write_text(json.dumps({**note, **place}))


def displacement(data_dir: Path) -> str | None:
    """Why the process in the note no longer works with this folder, or with its own program; None if it does.

    A process keeps the paths that it was started with: it does not find what was moved since. A note of an older version
    does not say them.
    """
    note = read_note(data_dir)
    if note is None or "data_dir" not in note:
        return None
    if not is_same(Path(note["data_dir"]), data_dir):
        if is_copy(data_dir):
            return f"process {note['pid']} serves {note['data_dir']}, of which {data_dir} is a copy"
        return f"it runs from another place, {note['data_dir']}"
    if _installed(Path(note["program"])) != note["installed"]:
        return f"its program {note['program']} was moved, or installed again"
    return None


def is_same(place: Path, data_dir: Path) -> bool:
    """Whether both paths lead to one folder."""
    try:
        return os.path.samefile(place, data_dir)  # noqa: PTH121 - as pathlib's, but of two paths that may be gone
    except OSError:
        return False


def is_copy(data_dir: Path) -> bool:
    """Whether the process in the note serves the folder that this one was copied from."""
    original, note = note_of_original(data_dir), read_note(data_dir)
    return bool(original and note) and all(original[name] == note[name] for name in ("pid", "started"))  # type: ignore[index]


def note_of_original(data_dir: Path) -> Note | None:
    """The note in the folder that this one was copied from; None if it is not a copy, or if the other one has no service."""
    note = read_note(data_dir)
    if note is None or "data_dir" not in note or is_same(Path(note["data_dir"]), data_dir):
        return None
    return read_note(Path(note["data_dir"]))


def conflict(former: Path, data_dir: Path) -> str | None:
    """Why the data of a service cannot move from the folder `former` to `data_dir`; None if it can, or need not."""
    if is_same(former, data_dir) or not _holds_data(former):
        return None
    if data_dir.resolve().is_relative_to(former.resolve()):
        return f"the service's data is in {former.absolute()}, and cannot move into itself: choose a folder outside of it"
    if not _holds_data(data_dir):
        return None
    return (
        f"the service's data is in {former.absolute()}, and cannot move to {data_dir.absolute()}, which also holds data. "
        "Move away or remove the one that you do not need, then run `pulumi up` again"
    )


def move_data(former: Path, data_dir: Path) -> None:
    """Move the data of a stopped service, if there is any. Interrupted at any point, one of the two folders has all of it, and
    the other has none."""
    moved = former.with_name(f".{former.name}.moved")
    shutil.rmtree(moved, ignore_errors=True)
    if is_same(former, data_dir) or not _holds_data(former):
        return
    data_dir.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(data_dir, ignore_errors=True)  # at most the log of a former service
    try:
        former.rename(data_dir)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        draft = data_dir.with_name(f".{data_dir.name}.moving")
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(former, draft, symlinks=True)
        former.rename(moved)
        draft.rename(data_dir)
        shutil.rmtree(moved)
    with suppress(OSError):  # it may hold other services
        former.parent.rmdir()


def note_undeleted(data_dir: Path, names: Sequence[str]) -> None:
    """Keep the names of what a destroy could not delete from the service, beside those of an interrupted one."""
    if names and data_dir.exists():
        kept = dict.fromkeys([*read_undeleted(data_dir), *names])
        (data_dir / "undeleted.json").write_text(json.dumps(list(kept)))


def read_undeleted(data_dir: Path) -> list[str]:
    try:
        names: list[str] = json.loads((data_dir / "undeleted.json").read_text())
    except (OSError, ValueError):
        return []
    return names


def forget_undeleted(data_dir: Path) -> None:
    (data_dir / "undeleted.json").unlink(missing_ok=True)


def _installed(program: Path) -> int | None:
    """When a program was installed, in ns since the epoch; None if it does not exist."""
    try:
        return program.stat().st_mtime_ns
    except OSError:
        return None


def _holds_data(folder: Path) -> bool:
    return folder.is_dir() and any(found.name not in _NO_DATA for found in folder.iterdir())
