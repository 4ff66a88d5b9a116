"""A COCO file of a checkout, with the contents of its images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vision_customization.common.errors import VisionError
from vision_customization.common.file_digest import file_digest
from vision_customization.contract.coco.document import CocoAnnotations, CocoFile, CocoImages, parse_json
from vision_customization.contract.texts import listed
from vision_customization.customization.datasets.checkout_images import is_inside
from vision_customization.customization.datasets.coco_edit import EMPTY
from vision_customization.customization.datasets.content_merge import FileImage
from vision_customization.customization.datasets.digest_cache import DigestCache
from vision_customization.customization.datasets.image_facts import FileStatus, SmallStatus
from vision_customization.customization.datasets.image_reading import read_images
from vision_customization.customization.datasets.version_content import Labels, labels_by_image, valid_coco
from vision_customization.customization.errors import DatasetInvalid, ImageUnreadable

_SHA256_LENGTH = 64


@dataclass(frozen=True)
class LocalFile:
    """A COCO file of the checkout: as text (None if there is no such file), as JSON, as checked, and its images with their
    contents; `absent` are the positions of those whose files are not there."""

    path: Path
    text: str | None
    document: Mapping[str, Any]
    coco: CocoFile
    images: tuple[FileImage, ...]
    absent: frozenset[int]

    @property
    def labels(self) -> tuple[Labels, ...]:
        return tuple(image.labels for image in self.images)

    @property
    def pairs(self) -> list[tuple[str, Labels]]:
        """The content and the labels of each image."""
        return [(image.sha256, image.labels) for image in self.images]


def read_local(
    path: Path, folder: Path, kind: str, names: Callable[[], Mapping[str, str]], cache: DigestCache | None = None
) -> LocalFile:
    """Read a COCO file of the checkout; one that is not there has no images.

    The content of an image whose file is not there is known from its `sha256`, or by its name from `names`.

    Args:
        folder: each `file_name` is relative to it, or else to the folder of the file.
        kind: an `AnnotationKind`.

    Raises:
        DatasetInvalid: the file breaks the contract.
        VisionError: it names images that are not there, and that nobody knows.
    """
    if not path.exists():
        return LocalFile(path, None, EMPTY, CocoFile(str(path), CocoImages(), CocoAnnotations(), {}), (), frozenset())
    data = path.read_bytes()
    document, unreadable = parse_json(data, str(path))
    if unreadable is not None:
        raise DatasetInvalid([unreadable])
    coco = valid_coco(document, kind, str(path))
    statuses: dict[str, FileStatus] = {}
    found: list[str | None] = []
    for image in coco.images:
        place = next(
            (
                str(place / image.file_name)
                for place in (folder, path.parent)
                if is_inside(image.file_name) and (place / image.file_name).is_file()
            ),
            None,
        )
        found.append(place)
        if place is not None:
            statuses[place] = SmallStatus.of(Path(place).stat())
    facts = read_images(statuses, cache)
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
    return LocalFile(path, data.decode("utf-8"), document, coco, tuple(images), absent)
