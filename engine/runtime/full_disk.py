"""How the engine reports a full disk: which folder is on it, how much is missing, and what to delete."""

import errno
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from vision_customization.engine.errors import EngineError

RESERVE_BYTES = 32 * 1024**2
"""What files leave free for the databases, which could not even note that a job has failed on a disk without a free byte."""

_FULL = (errno.ENOSPC, errno.EDQUOT)
_POSTGRESQL_FULL = "53100"
"""SQLSTATE disk_full: https://www.postgresql.org/docs/current/errcodes-appendix.html."""
_DELETABLE = ("objects/features", "objects/pictures", "objects/thumbnails", "cache/objects")
"""Folders of the data folder that the engine fills again when it needs them."""


class DiskFull(EngineError, OSError):
    """A file of `size` bytes does not fit into `folder`."""

    def __init__(self, folder: Path, size: int) -> None:
        super().__init__(errno.ENOSPC, f"{size:,} bytes do not fit on the disk of {folder}")
        self.size = size


def check_room(folder: Path, size: int) -> None:
    """Raises DiskFull if a file of `size` bytes in `folder`, which exists, would leave less than RESERVE_BYTES free."""
    if shutil.disk_usage(folder).free < size + RESERVE_BYTES:
        raise DiskFull(folder, size)


def is_full(error: OSError) -> bool:
    """Whether the error says that a disk or a quota is used up."""
    return error.errno in _FULL


def full_disk(error: BaseException, data_dir: Path) -> str | None:
    """What to report if `error`, or what caused it, is a full disk: of the engine's data folder, or of its PostgreSQL
    server. None if it is something else."""
    for cause in _causes(error):
        if getattr(cause, "sqlstate", None) == _POSTGRESQL_FULL:
            return "The disk of the engine's PostgreSQL server is full. Make room there."
        if (isinstance(cause, OSError) and is_full(cause)) or _is_full_database(cause):
            return _told(data_dir, cause.size if isinstance(cause, DiskFull) else None)
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, what caused it, and so on."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _is_full_database(error: BaseException) -> bool:
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL


def _told(data_dir: Path, size: int | None) -> str:
    free = shutil.disk_usage(data_dir).free
    room = f"it has {_bytes(free)} free"
    if size is not None and (missing := size + RESERVE_BYTES - free) > 0:
        room += f", and {_bytes(missing)} more are needed for a file of {_bytes(size)} and a reserve of {_bytes(RESERVE_BYTES)}"
    there = [folder for folder in _DELETABLE if (data_dir / folder).is_dir()]
    can_go = f", or these folders in it, which the engine fills again when it needs them: {', '.join(there)}" if there else ""
    return (
        f"The disk of the data folder {data_dir} is full: {room}. Delete unused models and drafts{can_go}. Or enlarge the disk."
    )


def _bytes(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 1e5 else f"{count:,} bytes"
