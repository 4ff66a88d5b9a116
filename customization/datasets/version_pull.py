"""A version of a dataset comes into the COCO file of a checkout: `vision datasets pull`.

What only the version has changed is taken, what only the file has changed stays, and what both changed differently is a
conflict, which is reported image by image. Nothing is written then.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from vision_customization.common.dataset_content.manifest import manifest_of
from vision_customization.common.errors import VisionError
from vision_customization.common.file_digest import file_digest
from vision_customization.contract.coco.document import CocoFile, parse_json
from vision_customization.contract.texts import listed
from vision_customization.customization.datasets.checkout_images import check_places, fetch, file_names, is_inside
from vision_customization.customization.datasets.coco_edit import EMPTY, AddedImage, CocoEdit, edited
from vision_customization.customization.datasets.content_merge import Conflict, FileImage, Merged, Prefer, merge_content
from vision_customization.customization.datasets.digest_cache import DigestCache
from vision_customization.customization.datasets.image_reading import read_images
from vision_customization.customization.datasets.json_form import WRITTEN, form_of
from vision_customization.customization.datasets.new_file import replace_file
from vision_customization.customization.datasets.version_content import (
    ContentImage,
    Labels,
    VersionContent,
    labels_by_image,
    read_content,
    valid_coco,
)
from vision_customization.customization.errors import DatasetInvalid, ImageUnreadable

_SHA256_LENGTH = 64


class VersionFiles(Protocol):
    """Where the files of a version come from."""

    def annotations(self) -> bytes:
        """Its COCO file."""
        ...

    def base(self) -> Sequence[bytes] | None:
        """The COCO files that its draft began with: none if the draft began empty. None if they are no longer in storage."""
        ...

    def image(self, blob: str) -> bytes:
        """An image, by its SHA-256 and its extension."""
        ...


@dataclass(frozen=True)
class Checkout:
    """A COCO file on this machine, which need not exist yet, and the folder that each `file_name` is relative to."""

    file: Path
    folder: Path
    cache: DigestCache | None = None


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a pull did to the file; with `conflicts`, nothing. `missing` counts its images that are not on this machine."""

    written: bool = False
    added: int = 0
    removed: int = 0
    relabelled: int = 0
    fetched: int = 0
    missing: int = 0
    conflicts: tuple[Conflict, ...] = ()


@dataclass(frozen=True)
class _LocalFile:
    """A COCO file of the checkout: as JSON, as checked, and its images with their contents; `absent` are the positions of those
    whose files are not there."""

    text: str | None
    document: Mapping[str, Any]
    coco: CocoFile
    images: tuple[FileImage, ...]
    absent: frozenset[int]


def pull_version(
    checkout: Checkout,
    version: VersionFiles,
    kind: str,
    *,
    prefer: Prefer | None = None,
    base: Path | None = None,
    fetch_images: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> Pulled:
    """Bring a version into the checkout.

    Args:
        kind: an `AnnotationKind`.
        prefer: whose labels count where both sides changed an image.
        base: the COCO file as it was when the draft began, if storage no longer has it.
        fetch_images: write the images that are not there beside the file.
        on_progress: called with (done, total) of the images to fetch.

    Raises:
        DatasetInvalid: the file breaks the contract.
        VisionError: the file names images that nobody knows, or the base is gone.
        RequestError: the service refuses.
    """
    theirs = read_content(version.annotations(), kind, "the version")
    began = None if base is not None else _Lazy(version, kind)
    local = _read(checkout, checkout.file, kind, lambda: _names(theirs, began))
    known = {image.sha256: image for image in theirs.images}
    contents: Iterable[tuple[str, Labels]] = _pairs(local.images)
    tags: tuple[str, ...] = tuple(local.coco.categories.values())
    if local.text is None:
        pass
    elif manifest_of(kind, contents).digest == theirs.manifest.digest:
        tags = theirs.tags
    elif base is not None:
        former = _read(checkout, base, kind, lambda: _names(theirs, None))
        contents, tags = _pairs(former.images), tuple(former.coco.categories.values())
    elif (content := began.content() if began is not None else None) is not None:
        contents, tags = ((image.sha256, image.labels) for image in content.images), content.tags
        known = {**{image.sha256: image for image in content.images}, **known}
    elif prefer is not Prefer.THEIRS:
        raise VisionError(
            f"{checkout.file}: has changed, and what the version's draft began with is no longer in storage. Pass the file as "
            "it was then with --base (`git show COMMIT:FILE`), or take the version as it is with --theirs"
        )
    merged = merge_content(contents, local.images, theirs.images, prefer)
    if merged.conflicts:
        return Pulled(conflicts=merged.conflicts)
    added = [
        AddedImage(image, name)
        for image, name in file_names(checkout.folder, {image.file_name: image.sha256 for image in local.images}, merged.added)
    ]
    edit = CocoEdit(
        merged.labels,
        added,
        tags=[tag for tag in theirs.tags if tag not in set(tags)],
        dropped=set(tags) - set(theirs.tags),
    )
    wanted = _absent(checkout.folder, local, merged, added, known)
    fetched = fetch(wanted, version.image, on_progress) if fetch_images else 0
    former_labels = [image.labels for image in local.images]
    form = WRITTEN if local.text is None else form_of(local.text)
    changed = edited(local.document, local.coco, former_labels, edit, kind)
    written = local.text is None or changed != local.document
    if written:
        replace_file(checkout.file, form.text(changed).encode())
    return Pulled(
        written=written,
        added=len(added),
        removed=sum(labels is None for labels in merged.labels),
        relabelled=sum(
            labels is not None and labels != former for labels, former in zip(merged.labels, former_labels, strict=True)
        ),
        fetched=fetched,
        missing=len(wanted) - fetched,
    )


class _Lazy:
    """What the draft of a version began with, read when it is needed."""

    def __init__(self, version: VersionFiles, kind: str) -> None:
        self._version = version
        self._kind = kind
        self._read: list[VersionContent | None] = []

    def content(self) -> VersionContent | None:
        """None if it is no longer in storage."""
        if not self._read:
            files = self._version.base()
            if files is None:
                self._read.append(None)
            else:
                whole = VersionContent(self._kind)
                for data in files:
                    whole += read_content(data, self._kind, "the version's base")
                self._read.append(whole)
        return self._read[0]


def _names(theirs: VersionContent, began: _Lazy | None) -> dict[str, str]:
    """The contents of images by file name, as version and base call them."""
    content = began.content() if began is not None else None
    images = (*theirs.images, *(content.images if content is not None else ()))
    return {image.file_name: image.sha256 for image in images}


def _read(checkout: Checkout, path: Path, kind: str, names: Callable[[], Mapping[str, str]]) -> _LocalFile:
    """Read a COCO file of the checkout. The content of an image whose file is not there is known from its `sha256`, or by its
    name from `names`."""
    if not path.exists() and path == checkout.file:
        return _LocalFile(None, EMPTY, CocoFile(str(path), [], [], {}), (), frozenset())
    data = path.read_bytes()
    document, unreadable = parse_json(data, str(path))
    if unreadable is not None:
        raise DatasetInvalid([unreadable])
    coco = valid_coco(document, kind, str(path))
    statuses: dict[str, os.stat_result] = {}
    found: list[str | None] = []
    for image in coco.images:
        place = next(
            (
                str(folder / image.file_name)
                for folder in (checkout.folder, path.parent)
                if is_inside(image.file_name) and (folder / image.file_name).is_file()
            ),
            None,
        )
        found.append(place)
        if place is not None:
            statuses[place] = Path(place).stat()
    facts = read_images(statuses, checkout.cache)
    known: Mapping[str, str] | None = None
    unknown: list[str] = []
    images = []
    for index, (image, labels) in enumerate(zip(coco.images, labels_by_image(coco), strict=True)):
        place = found[index]
        if place is not None:
            fact = facts[place]
            sha256 = file_digest(Path(place)) if isinstance(fact, ImageUnreadable) else fact.sha256
        else:
            sha256 = str(document["images"][index].get("sha256") or "")
            if len(sha256) != _SHA256_LENGTH:
                known = names() if known is None else known
                sha256 = known.get(image.file_name, "")
        if not sha256:
            unknown.append(image.file_name)
        images.append(FileImage(image.file_name, sha256, labels))
    if unknown:
        what = f"{path}: these images are not there, and neither the version nor its base has them"
        raise VisionError(
            f"{listed(what, unknown)}. Check the file with `vision check`, or pass the images' folder with --folder"
        )
    absent = frozenset(index for index, place in enumerate(found) if place is None)
    return _LocalFile(data.decode("utf-8"), document, coco, tuple(images), absent)


def _pairs(images: Iterable[FileImage]) -> list[tuple[str, Labels]]:
    return [(image.sha256, image.labels) for image in images]


def _absent(
    folder: Path, local: _LocalFile, merged: Merged, added: Sequence[AddedImage], known: Mapping[str, ContentImage]
) -> dict[Path, ContentImage | None]:
    """The files that the new COCO file names and that are not there, each with its image; None if storage does not have it."""
    wanted: dict[Path, ContentImage | None] = {}
    for index in sorted(local.absent):
        if merged.labels[index] is not None:
            image = local.images[index]
            wanted[folder / image.file_name] = known.get(image.sha256) if is_inside(image.file_name) else None
    for each in added:
        path = folder / each.file_name
        if not path.exists():
            wanted[path] = each.image
    check_places(folder, wanted)
    return wanted
