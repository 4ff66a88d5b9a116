"""What an earlier conversion wrote into a folder: which images were for training and for testing, and which are its copies."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vision_customization.common.file_digest import file_digest
from vision_customization.customization.convert.labelled import LabelledImage, LabelledImages
from vision_customization.customization.convert.remarks import Remarks, What
from vision_customization.customization.errors import ConversionFailed

LOST_SHOWN = 3

NOT_COCO = (OSError, ValueError, LookupError, TypeError, AttributeError)
"""What reading a file raises that is not COCO."""


@dataclass(frozen=True, slots=True)
class FormerImage:
    """An image in a COCO file. `sha256` and `copy_of` are those of its `LabelledImage`; None in a file of another program."""

    path: Path
    sha256: str | None
    copy_of: str | None


def former_images(file: Path) -> list[FormerImage]:
    """The images in a COCO file. Raises one of `NOT_COCO`."""
    return list(_images(file.parent, json.loads(file.read_bytes())))


def _images(folder: Path, document: Any) -> Iterator[FormerImage]:  # noqa: ANN401 - whatever JSON holds
    for image in document["images"]:
        sha256, copy_of = image.get("sha256"), image.get("copy_of")
        yield FormerImage(
            (folder / image["file_name"]).resolve(),
            sha256 if isinstance(sha256, str) else None,
            copy_of if isinstance(copy_of, str) else None,
        )


@dataclass(frozen=True)
class FormerPart:
    """The images of one side of an earlier split, by their paths and by their contents (SHA-256)."""

    paths: frozenset[Path] = frozenset()
    contents: frozenset[str] = frozenset()

    @classmethod
    def of(cls, images: Iterable[FormerImage]) -> FormerPart:
        listed = list(images)
        return cls(
            frozenset(image.path for image in listed), frozenset(image.sha256 for image in listed if image.sha256 is not None)
        )


@dataclass(frozen=True)
class FormerParts:
    """An earlier split. Its images stay on their sides: otherwise two models would be evaluated on different images, perhaps
    including training images of the other model."""

    training: FormerPart = FormerPart()
    testing: FormerPart = FormerPart()

    @classmethod
    def read(cls, folder: Path) -> FormerParts:
        """What `train.json` and `test.json` in the folder list. Without a `test.json`, nothing was split. Without a
        `train.json`, the test images are still known.
        """
        testing = _part(folder / "test.json")
        return cls(_part(folder / "train.json"), testing) if testing.paths else cls()

    def sides(self, images: LabelledImages) -> tuple[set[str], set[str]]:
        """The contents of images that were for training, and of those that were for testing, and not for training.

        A renamed image is known by its content. An edited image is known by its path.
        """
        trained, tested = set[str](), set[str]()
        for image in images.images if self.testing.paths else ():
            side = self._side(image)
            if side is not None:
                (tested if side else trained).add(image.sha256)
        return trained, tested - trained

    def _side(self, image: LabelledImage) -> bool | None:
        """Whether an image was for testing; None of a new image."""
        for known, of_training, of_testing in (
            (image.sha256, self.training.contents, self.testing.contents),
            (image.path.resolve(), self.training.paths, self.testing.paths),
        ):
            if known in of_training:
                return False
            if known in of_testing:
                return True
        return None


def _part(file: Path) -> FormerPart:
    try:
        return FormerPart.of(former_images(file))
    except NOT_COCO:
        return FormerPart()


def check_replaced(files: Iterable[Path], images: LabelledImages, origin: str) -> LabelledImages:
    """Refuse to replace COCO files that name images that are not among `images`: their labels would be lost.

    Deleted image files don't count, nor do renamed ones, since `images` has the same content. Nor do copies that a conversion
    made of images of this source that were deleted or changed since: the files of these copies stay.

    Args:
        origin: what `copy_of` of this source's images begins with.

    Returns:
        The images, with a remark on each copy that is no longer listed.

    Raises:
        ConversionFailed: labels would be lost, or a file is not a COCO file; the message says what and where.
    """
    paths = {image.path.resolve() for image in images.images}
    contents = {image.sha256 for image in images.images}
    problems: list[str] = []
    remarks = Remarks()
    for file in files:
        if not file.exists():
            continue
        try:
            former = former_images(file)
        except NOT_COCO:
            problems.append(f"{file}: already exists and is not a COCO file. Move it away, or name another folder (`--output`)")
            continue
        missing = [
            image
            for image in sorted(former, key=lambda image: image.path)
            if image.path not in paths
            and image.sha256 not in contents
            and image.path.is_file()
            and file_digest(image.path) not in contents
        ]
        lost = []
        for image in missing:
            if _is_outdated(image, file.parent, origin):
                reason = "is a copy of an image that was deleted or changed in the source, so it is no longer listed"
                remarks.changed(What.IMAGE, reason, str(image.path))
            else:
                lost.append(image.path)
        if lost:
            which = ", ".join(str(path) for path in lost[:LOST_SHOWN])
            more = f" and {len(lost) - LOST_SHOWN:,} more" if len(lost) > LOST_SHOWN else ""
            problems.append(
                f"{file}: replacing it would lose the labels of images that the source does not have: {which}{more}. "
                "Label them in the source, delete them, or name another folder (`--output`)"
            )
    if problems:
        raise ConversionFailed(problems)
    return replace(images, remarks=images.remarks + remarks.listed())


def _is_outdated(image: FormerImage, folder: Path, origin: str) -> bool:
    """Whether an image is the copy of one of the source that was deleted or changed."""
    if image.copy_of is None or not image.copy_of.startswith(f"{origin}/"):
        return False
    try:
        return file_digest(folder / image.copy_of) != image.sha256
    except OSError:
        return True
