"""Writing files so that they are complete or not there, and none that exists is replaced by accident."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_new_file(path: Path, data: bytes) -> None:
    """Write a file that does not exist yet, with its folders. Raises FileExistsError if another program was faster."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _partial(path, data, 0o644) as partial:
        put_in_place(partial, path)


def replace_file(path: Path, data: bytes) -> None:
    """Write a file in the place of the one that is there, which keeps its permissions."""
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    with _partial(path.resolve(), data, mode) as partial:
        partial.replace(path.resolve())


def put_in_place(partial: Path, target: Path) -> None:
    """Raises FileExistsError if another process has created the file meanwhile; a plain rename would replace it."""
    try:
        os.link(partial, target)
    except FileExistsError:
        raise
    except OSError:  # not every file system has links
        if target.exists():
            raise FileExistsError from None
        partial.rename(target)


@contextmanager
def _partial(path: Path, data: bytes, mode: int) -> Iterator[Path]:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.", suffix=".partial")
    partial = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        partial.chmod(mode)
        yield partial
    finally:
        partial.unlink(missing_ok=True)
