"""The source of a dataset, and what is found there: COCO files, and the image files that they name.

This is the first stage of a dataset. No stage depends on Pulumi or a terminal:

    source = DatasetSource(Path("data"), ("train.json",), AnnotationKind.IMAGE_CLASSIFICATION)
    found = read_dataset(source)                          # here: everything that is read from disk
    content = check_dataset(found).valid()                # content: checks every rule; errors, or the content
    describe(content)                                     # content: digest, images, tags
    uploaded = upload_content(content, container_url)     # upload: only what the container does not have yet
    register_dataset(client, "leaves", uploaded.annotation_uris, content.kind)    # registration: with the service
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from vision_customization.contract.coco.document import Violation
from vision_customization.contract.coco.streamed import LIST, open_document
from vision_customization.contract.enums import Purpose
from vision_customization.contract.limits import IMAGE_BYTES_MAX
from vision_customization.contract.texts import pixels_fault, size_fault
from vision_customization.customization.datasets.digest_cache import DigestCache
from vision_customization.customization.datasets.image_facts import FileStatus, ImageFacts, SmallStatus
from vision_customization.customization.datasets.image_reading import read_images
from vision_customization.customization.datasets.labelled_file import ContentEntry
from vision_customization.customization.datasets.near_names import NearNames
from vision_customization.customization.errors import ImageUnreadable


@dataclass(frozen=True)
class DatasetSource:
    """The files of a dataset on this machine.

    Attributes:
        folder: `annotation_files` and each image's `file_name` are relative to it. A `file_name` that does not exist there is
            looked up beside its annotation file.
        annotation_files: COCO files; several make one dataset, their categories merged by name.
        kind: an `AnnotationKind`.
        purpose: `training` or `evaluation`, which have different limits.
        cache: digests of unchanged files.
    """

    folder: Path
    annotation_files: tuple[str, ...]
    kind: str
    purpose: str = Purpose.TRAINING
    cache: DigestCache | None = None


@dataclass(frozen=True)
class AnnotationDocument:
    """A COCO file as it was read: its JSON, whose sections are read from the file again, or why it can't be read."""

    name: str
    json: object
    unreadable: Violation | None


@dataclass(frozen=True)
class DatasetFiles:
    """What was found at a source. `statuses` and `facts` are keyed by path."""

    source: DatasetSource
    documents: tuple[AnnotationDocument, ...]
    images: tuple[LocatedImage, ...]
    statuses: dict[str, FileStatus]
    facts: dict[str, ImageFacts | ImageUnreadable]


def read_dataset(source: DatasetSource, on_progress: Callable[[int, int], None] | None = None) -> DatasetFiles:
    """Read the COCO files of a dataset and their images.

    Args:
        on_progress: called with (done, total) of the image files to be read.
    """
    documents = []
    images: list[LocatedImage] = []
    for name in source.annotation_files:
        path = source.folder / name
        document, unreadable = open_document(path, name)
        documents.append(AnnotationDocument(name, document, unreadable))
        images += _locate(name, document, os.path.abspath(source.folder), os.path.abspath(path.parent))  # noqa: PTH100 - text is quicker
    statuses: dict[str, FileStatus] = {}
    for image in images:
        image.find(statuses)
    facts = read_images(statuses, source.cache, on_progress)
    return DatasetFiles(source, tuple(documents), tuple(images), statuses, facts)


class LocatedImage:
    """An entry of `images`, and the file that it names."""

    __slots__ = ("_beside", "claimed", "file", "file_name", "id", "index", "path")

    def __init__(self, file: str, index: int, entry: dict[str, Any], source: str, beside: str) -> None:
        self.file = file
        self.index = index
        self.id = entry.get("id")
        self.file_name: str = entry["file_name"]
        claimed = entry.get("width"), entry.get("height")
        self.claimed = _same(*claimed) if _are_numbers(claimed) else claimed
        self.path = f"{source}/{self.file_name}"
        self._beside = beside

    def find(self, statuses: dict[str, FileStatus]) -> None:
        if self._outside() or self.path in statuses:
            return
        status = _status(self.path)
        if status is None:
            beside = f"{self._beside}/{self.file_name}"
            status = None if beside == self.path else _status(beside)
            if status is None:
                return
            self.path = beside
        statuses[self.path] = status

    def _outside(self) -> bool:
        name = self.file_name
        return (
            name.startswith(("/", "\\"))
            or name[1:3] in (":/", ":\\")
            or (".." in name and ".." in name.replace("\\", "/").split("/"))
        )

    def problem(
        self,
        statuses: dict[str, FileStatus],
        facts: dict[str, ImageFacts | ImageUnreadable],
        side_min: int,
        side_max: int,
        near: NearNames,
    ) -> Violation | None:
        status = statuses.get(self.path)
        if self._outside():
            message = f"file_name {self.file_name!r} must be a relative path inside the dataset's folder"
        elif status is None:
            message = f"no such image file: {self.path}{self._hint(near)}"
        elif not stat.S_ISREG(status.st_mode):
            message = f"{self.path} is not a file"
        elif status.st_size > IMAGE_BYTES_MAX:
            message = f"{self.file_name} has {status.st_size:,} bytes; at most {IMAGE_BYTES_MAX:,} are allowed"
        else:
            found = facts[self.path]
            if isinstance(found, ImageUnreadable):
                message = f"{self.file_name} {found}"
            elif (fault := size_fault(side_min, side_max, found.width, found.height)) or (
                fault := pixels_fault(found.width, found.height, found.format)
            ):
                message = f"{self.file_name} {fault}"
            elif not found.has_size(*self.claimed) and _are_numbers(self.claimed):
                claimed = " × ".join(str(side) for side in self.claimed)
                message = f"{self.file_name} is {found.width} × {found.height} px, but width and height say {claimed}"
            else:
                return None
        return Violation(self.file, message, "images", self.index, self.id)

    def _hint(self, near: NearNames) -> str:
        folder, name = self.path.removesuffix(self.file_name), self.file_name.replace("\\", "/")
        meant = near.same(folder, name) or near.hint(folder, name)
        if meant is None:
            return ""
        return f". Is {meant.removeprefix(folder).lstrip('/')!r} meant?"

    def entry(self, statuses: dict[str, FileStatus], facts: dict[str, ImageFacts | ImageUnreadable]) -> ContentEntry:
        found = facts[self.path]
        assert isinstance(found, ImageFacts)
        size = statuses[self.path].st_size
        return ContentEntry(self.path, self.file_name, found.sha256, found.width, found.height, size, found.format)


def _status(path: str) -> FileStatus | None:
    # os.stat and text instead of Path: this runs for each of up to a million images.
    try:
        return SmallStatus.of(os.stat(path))  # noqa: PTH116
    except (OSError, ValueError):
        return None


@lru_cache(maxsize=4096, typed=True)
def _same(width: Any, height: Any) -> tuple[Any, Any]:  # noqa: ANN401 - numbers of both types
    """A pair of sides once in memory: datasets have few different ones."""
    return width, height


def _are_numbers(claimed: tuple[Any, Any]) -> bool:
    return all(type(side) in (int, float) for side in claimed)


def _locate(name: str, document: object, source: str, beside: str) -> list[LocatedImage]:
    """Every image that names a file, even in a document that breaks other rules: its files are checked anyway."""
    images = document.get("images") if isinstance(document, dict) else None
    if not isinstance(images, LIST):
        return []
    return [
        LocatedImage(name, index, entry, source, beside)
        for index, entry in enumerate(images)
        if isinstance(entry, dict) and isinstance(entry.get("file_name"), str) and entry["file_name"]
    ]
