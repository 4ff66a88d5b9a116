"""A version of a dataset comes into the COCO files of a checkout: `vision datasets pull`.

What only the version has changed is taken, what only the files have changed stays, and what both changed differently is a
conflict, which is reported image by image. Nothing is written then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from vision_customization.common.dataset_content.manifest import manifest_of
from vision_customization.common.errors import VisionError
from vision_customization.customization.datasets.checkout_file import LocalFile, read_local
from vision_customization.customization.datasets.checkout_images import check_places, fetch, file_names, is_inside
from vision_customization.customization.datasets.coco_edit import AddedImage, CocoEdit, edited
from vision_customization.customization.datasets.content_merge import Conflict, Prefer, merge_content
from vision_customization.customization.datasets.digest_cache import DigestCache
from vision_customization.customization.datasets.json_form import WRITTEN, form_of
from vision_customization.customization.datasets.new_file import replace_file
from vision_customization.customization.datasets.version_content import ContentImage, Labels, VersionContent, read_content

Item = TypeVar("Item")


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
    """The COCO files of a dataset on this machine, which need not exist yet, and the folder that each `file_name` is relative
    to. New images come to the first file."""

    files: tuple[Path, ...]
    folder: Path
    cache: DigestCache | None = None


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a pull did to the files; with `conflicts`, nothing. `missing` counts images that are not on this machine."""

    written: bool = False
    added: int = 0
    removed: int = 0
    relabelled: int = 0
    fetched: int = 0
    missing: int = 0
    conflicts: tuple[Conflict, ...] = ()


def pull_version(
    checkout: Checkout,
    version: VersionFiles,
    kind: str,
    *,
    prefer: Prefer | None = None,
    base: Sequence[Path] = (),
    fetch_images: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> Pulled:
    """Bring a version into the checkout.

    Args:
        kind: an `AnnotationKind`.
        prefer: whose labels count where both sides changed an image.
        base: the COCO files as they were when the draft began, if storage no longer has them.
        fetch_images: write the images that are not there beside the files.
        on_progress: called with (done, total) of the images to fetch.

    Raises:
        DatasetInvalid: a file breaks the contract.
        VisionError: a file names images that nobody knows, or the base is gone.
        RequestError: the service refuses.
    """
    theirs = read_content(version.annotations(), kind, "the version")
    stored = None if base else _Lazy(version, kind)
    names = partial(_names, theirs, stored)
    locals_ = [read_local(path, checkout.folder, kind, names, checkout.cache) for path in checkout.files]
    began = _base(checkout, locals_, theirs, stored, base, prefer)
    merged = [
        merge_content(former, local.images, images, prefer)
        for local, former, images in zip(
            locals_,
            _by_file(locals_, began.pairs, lambda pair: pair[0]),
            _by_file(locals_, theirs.images, lambda image: image.sha256),
            strict=True,
        )
    ]
    if conflicts := tuple(conflict for each in merged for conflict in each.conflicts):
        return Pulled(conflicts=conflicts)
    contents = {image.file_name: image.sha256 for local in locals_ for image in local.images}
    edits = []
    for number, result in enumerate(merged):
        added = [AddedImage(image, name) for image, name in file_names(checkout.folder, contents, result.added)]
        contents |= {each.file_name: each.image.sha256 for each in added}
        new_tags = [tag for tag in theirs.tags if tag not in began.tags and number == 0]
        edits.append(CocoEdit(result.labels, added, new_tags, began.tags - set(theirs.tags)))
    changed = [edited(local.document, local.coco, local.labels, edit, kind) for local, edit in zip(locals_, edits, strict=True)]
    known = {image.sha256: image for image in (*began.images, *theirs.images)}
    wanted: dict[Path, ContentImage | None] = {}
    for local, edit in zip(locals_, edits, strict=True):
        wanted |= _absent(checkout.folder, local, edit, known)
    check_places(checkout.folder, wanted)
    fetched = fetch(wanted, version.image, on_progress) if fetch_images else 0
    written = [_write(local, document) for local, document in zip(locals_, changed, strict=True)]
    pairs = [
        (former, now)
        for local, edit in zip(locals_, edits, strict=True)
        for former, now in zip(local.labels, edit.labels, strict=True)
    ]
    return Pulled(
        written=any(written),
        added=sum(len(edit.added) for edit in edits),
        removed=sum(now is None for _, now in pairs),
        relabelled=sum(now is not None and now != former for former, now in pairs),
        fetched=fetched,
        missing=len(wanted) - fetched,
    )


def _write(local: LocalFile, document: Mapping[str, Any]) -> bool:
    """Write a file, unless it says the same already."""
    if local.text is not None and document == local.document:
        return False
    form = WRITTEN if local.text is None else form_of(local.text)
    replace_file(local.path, form.text(document).encode())
    return True


@dataclass(frozen=True)
class _Base:
    """What both sides began with: content and labels of each image, and the tags; `images` are those that are in storage."""

    pairs: Sequence[tuple[str, Labels]]
    tags: frozenset[str]
    images: tuple[ContentImage, ...] = ()


def _base(
    checkout: Checkout,
    locals_: Sequence[LocalFile],
    theirs: VersionContent,
    stored: _Lazy | None,
    files: Sequence[Path],
    prefer: Prefer | None,
) -> _Base:
    """Raises VisionError if it is gone, and the checkout differs from the version."""
    mine = _base_of_files(locals_)
    if all(local.text is None for local in locals_):
        return mine
    if manifest_of(theirs.kind, mine.pairs).digest == theirs.manifest.digest:
        return _Base(mine.pairs, frozenset(theirs.tags))
    if files:
        names = partial(_names, theirs, None)
        return _base_of_files([read_local(path, checkout.folder, theirs.kind, names, checkout.cache) for path in files])
    content = stored.content() if stored is not None else None
    if content is not None:
        pairs = [(image.sha256, image.labels) for image in content.images]
        return _Base(pairs, frozenset(content.tags), content.images)
    if prefer is not Prefer.THEIRS:
        raise VisionError(
            f"{', '.join(map(str, checkout.files))}: changed, and what the version's draft began with is no longer in storage. "
            "Pass the file as it was then with --base (`git show COMMIT:FILE`), or take the version as it is with --theirs"
        )
    return mine


def _base_of_files(files: Sequence[LocalFile]) -> _Base:
    tags = frozenset(tag for file in files for tag in file.coco.categories.values())
    return _Base([pair for file in files for pair in file.pairs], tags)


def _by_file(locals_: Sequence[LocalFile], items: Iterable[Item], content: Callable[[Item], str]) -> list[list[Item]]:
    """The images of each file, by their contents; those that no file has are the first one's."""
    holder: dict[str, int] = {}
    for number, local in enumerate(locals_):
        for image in local.images:
            holder.setdefault(image.sha256, number)
    parts: list[list[Item]] = [[] for _ in locals_]
    for item in items:
        parts[holder.get(content(item), 0)].append(item)
    return parts


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


def _absent(
    folder: Path, local: LocalFile, edit: CocoEdit, known: Mapping[str, ContentImage]
) -> dict[Path, ContentImage | None]:
    """The files that the new COCO file names and that are not there, each with its image; None if storage does not have it."""
    wanted: dict[Path, ContentImage | None] = {}
    for index in sorted(local.absent):
        if edit.labels[index] is not None:
            image = local.images[index]
            wanted[folder / image.file_name] = known.get(image.sha256) if is_inside(image.file_name) else None
    for added in edit.added:
        path = folder / added.file_name
        if not path.exists():
            wanted[path] = added.image
    return wanted
