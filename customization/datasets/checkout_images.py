"""The image files of a checkout that a version adds or that are not there: how they are named, and how they get there."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from vision_customization.common.errors import VisionError
from vision_customization.common.file_digest import file_digest
from vision_customization.customization.datasets.new_file import write_new_file
from vision_customization.customization.datasets.version_content import ContentImage


def file_names(folder: Path, names: Mapping[str, str], added: Sequence[ContentImage]) -> list[tuple[ContentImage, str]]:
    """The `file_name` of each new image: the version's, unless another image has that.

    Args:
        names: the contents of the images that are in the COCO file, by their file names.
    """
    # In lower case, since some file systems ignore case.
    taken = {name.lower(): sha256 for name, sha256 in names.items()}
    result = []
    for image in added:
        wanted = PurePosixPath(kept_name(image.file_name) or image.blob)
        attempt, name = 0, wanted.as_posix()
        while taken.get(name.lower(), image.sha256) != image.sha256 or _content_at(folder / name) not in (None, image.sha256):
            attempt += 1
            number = "" if attempt == 1 else f"-{attempt}"
            name = wanted.with_name(f"{wanted.stem}-{image.sha256[:12]}{number}{wanted.suffix}").as_posix()
        taken[name.lower()] = image.sha256
        result.append((image, name))
    return result


def kept_name(name: str) -> str:
    """A path as it may be written below a folder: relative, with `/`, printable, and without parts that lead out of it."""
    parts = [part for part in PurePosixPath(name.replace("\\", "/")).parts if part not in ("/", "..", ".")]
    text = "/".join(parts).lstrip("/")
    return "".join(character if character.isprintable() and character != ":" else "_" for character in text)


def is_inside(name: str) -> bool:
    """Whether a `file_name` leads to a place below its folder, as far as the name tells."""
    return (
        bool(name)
        and not name.startswith(("/", "\\"))
        and ":" not in name[:3]
        and ".." not in name.replace("\\", "/").split("/")
    )


def _content_at(path: Path) -> str | None:
    """SHA-256 of a file; an empty string for anything else that is there; None if nothing is."""
    try:
        return file_digest(path)
    except FileNotFoundError:
        return None
    except OSError:
        return ""


def check_places(folder: Path, paths: Iterable[Path]) -> None:
    """Raises VisionError if a file would be outside of the folder."""
    root = folder.resolve()
    for path in paths:
        if not path.resolve().is_relative_to(root):
            raise VisionError(f"{path}: leads out of {folder} by a link. Nothing was written")


def fetch(
    wanted: Mapping[Path, ContentImage | None],
    read: Callable[[str], bytes],
    on_progress: Callable[[int, int], None] | None = None,
) -> int:
    """Write the images that storage has, each checked against its digest; returns their number.

    Args:
        wanted: the files, each with its image; None if storage does not have it.
        read: gives the bytes of an image, by its name in storage.
    """
    available = {path: image for path, image in wanted.items() if image is not None}
    for done, (path, image) in enumerate(available.items(), start=1):
        data = read(image.blob)
        if hashlib.sha256(data).hexdigest() != image.sha256:
            raise VisionError(f"{image.blob}: the service sent another file than its name says. Nothing was written to {path}")
        try:
            write_new_file(path, data)
        except FileExistsError:
            raise VisionError(f"{path}: another program has just created this file. Try again") from None
        except OSError as error:
            raise VisionError(f"{path}: can't be written: {error.strerror or error}") from None
        if on_progress is not None:
            on_progress(done, len(available))
    return len(available)
