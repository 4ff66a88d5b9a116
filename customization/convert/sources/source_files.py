"""The files below a source's folder."""

from __future__ import annotations

import os
from collections.abc import Container, Iterable, Iterator
from pathlib import Path

from vision_customization.common.dataset_content.image_formats import EXTENSIONS
from vision_customization.customization.convert.images.content import is_image, other_file
from vision_customization.customization.convert.remarks import Remarks, What
from vision_customization.customization.errors import ConversionFailed

CONTACT_SHEET = "contact-sheet.html"
"""The page that `vision new` draws."""

OUTPUTS = ("train.json", "test.json", CONTACT_SHEET)
"""The files that a conversion writes, perhaps into its source."""

ARCHIVE_LEFTOVERS = "__MACOSX"
"""The folder in which macOS keeps, in an archive, what other systems have no place for."""


def source_files(folder: Path, remarks: Remarks | None = None) -> list[Path]:
    """Every file below `folder`, sorted by path. Hidden files and folders don't belong to a source.

    A folder that is a link is followed; each folder is read once, so links in a circle are harmless. Links that can't be
    followed become remarks.

    Raises:
        ConversionFailed: a folder can't be read, or a name is not UTF-8.
    """
    problems: list[str] = []
    files = sorted(_walk(folder, remarks or Remarks(), problems))
    problems += [
        f"{str(path)!r}: the name is not UTF-8 text, which a COCO file needs. Rename it"
        for path in files
        if not _is_unicode(path.relative_to(folder))
    ]
    if problems:
        raise ConversionFailed(problems)
    return files


def image_files(folder: Path, remarks: Remarks | None = None) -> list[Path]:
    """Every image file below `folder`, sorted by path; other files become remarks. Raises ConversionFailed."""
    return images_among(source_files(folder, remarks), remarks)


def images_among(files: Iterable[Path], remarks: Remarks | None = None, *, labels: Container[str] = ()) -> list[Path]:
    """The image files among files, by their names or their content. Others become remarks, except files of labels.

    Args:
        labels: the extensions of files of labels, in lower case.
    """
    images = []
    for path in files:
        if path.suffix.lower() in labels:
            continue
        if is_image(path):
            images.append(path)
        elif remarks is not None and path.name not in OUTPUTS:
            remarks.left_out(What.FILE, other_file(path), str(path))
    return images


def inner_folders(folder: Path) -> list[Path]:
    """The folders in `folder` that belong to a source, sorted by path."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and not _is_foreign(path.name))


def _is_foreign(name: str) -> bool:
    return name.startswith(".") or name == ARCHIVE_LEFTOVERS


def _walk(folder: Path, remarks: Remarks, problems: list[str]) -> Iterator[Path]:
    folders, links = [folder], list[Path]()
    read = set[str]()
    # Links come last: where both a folder and a link to it are below the source, the folder's own path counts.
    while folders or links:
        linked = not folders
        here = links.pop(0) if linked else folders.pop()
        real = os.path.realpath(here)
        if real in read:
            if linked:
                remarks.left_out(What.FOLDER, "is a link to a folder that is read already", str(here))
            continue
        read.add(real)
        try:
            entries = sorted(os.scandir(here), key=lambda entry: entry.name)
        except OSError as error:
            problems.append(f"{here}: can't be read: {error.strerror}")
            continue
        for entry in entries:
            path = Path(entry.path)
            if _is_foreign(entry.name):
                continue
            if entry.is_dir():
                (links if entry.is_symlink() else folders).append(path)
            elif entry.is_file():
                yield path
            elif entry.is_symlink():
                what = What.IMAGE if path.suffix.lower() in EXTENSIONS else What.FILE
                remarks.sees(what)
                remarks.left_out(what, "is a link to something that does not exist", str(path))


def _is_unicode(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True
