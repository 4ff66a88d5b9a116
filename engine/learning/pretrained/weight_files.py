"""Files of pretrained weights: finds them among the downloads, checks their digests, and stores converted ones with a stamp."""

import tempfile
from pathlib import Path

from vision_customization.common.file_digest import file_digest
from vision_customization.engine.learning.errors import WeightsError


def find_download(folder: Path, name: str, sha256: str, origin: str) -> Path:
    """The file `name` anywhere under `folder`.

    Args:
        origin: its network and source, for messages.

    Raises:
        WeightsError: it is missing, or is not the expected file.
    """
    candidates = sorted(folder.rglob(name))
    if not candidates:
        raise WeightsError(f"{name} ({origin}) is not under {folder}")
    digest = file_digest(candidates[0])
    if digest != sha256:
        raise WeightsError(f"{candidates[0]} has SHA-256 {digest}, expected {sha256}. The download is not the expected file")
    return candidates[0]


def is_kept(path: Path) -> bool:
    """Whether a converted file exists and is intact."""
    stamp = _stamp(path)
    return path.is_file() and stamp.is_file() and file_digest(path) == stamp.read_text(errors="replace").strip()


def keep(path: Path, data: bytes) -> None:
    """Write a converted file and its stamp. Raises WeightsError if the folder can't be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, data)
        _write(_stamp(path), f"{file_digest(path)}\n".encode())
    except OSError as error:
        raise _not_writable(path, error) from error


def check_writable(folder: Path) -> None:
    """Before anything is downloaded. Raises WeightsError if nothing can be written to `folder`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise _not_writable(folder, error) from error


def _not_writable(path: Path, error: OSError) -> WeightsError:
    return WeightsError(f"{path} can't be written ({error.strerror}). Set VISION_ENGINE_WEIGHTS_DIR to a writable folder")


def kept(path: Path, title: str) -> Path:
    """An intact converted file. Raises WeightsError if it is missing or damaged."""
    if not path.is_file() or not _stamp(path).is_file():
        raise WeightsError(f"the weights of {title} are not in {path.parent} ({path.name}). Run `vision-engine weights pull`")
    if not is_kept(path):
        raise WeightsError(f"{path} is damaged. Run `vision-engine weights pull`, which replaces it")
    return path


def _stamp(path: Path) -> Path:
    return path.with_suffix(".sha256")


def _write(path: Path, data: bytes) -> None:
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        draft = Path(file.name)
        try:
            file.write(data)
            file.flush()
            draft.chmod(0o644)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
