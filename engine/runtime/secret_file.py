"""A secret in a file of the data folder, readable by its owner alone."""

import os
from pathlib import Path


def secret_file(path: Path, content: str) -> str:
    """The secret in the file `path`. A missing file is written with `content`; the first of several writers wins."""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(content + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)  # unlike a rename it never replaces what another process has just written
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text().strip()
