"""What the readers of annotation tools have in common: they find an image by its address, and labels with or without a box."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from vision_customization.contract.coco.boxes import shown_as_json
from vision_customization.contract.coco.document import Box, parse_json, read_json
from vision_customization.contract.enums import AnnotationKind
from vision_customization.contract.names import name_text_fault
from vision_customization.contract.texts import counted
from vision_customization.customization.convert.labelled import FoundImage, LabelledImages, PixelBox, Progress, finish, fitted
from vision_customization.customization.convert.masks import Edges
from vision_customization.customization.convert.remarks import Remarks, What
from vision_customization.customization.convert.sources.label_text import read_text
from vision_customization.customization.convert.sources.splits import sides, split_of, splits_by_folder
from vision_customization.customization.datasets.digest_cache import DigestCache
from vision_customization.customization.datasets.near_names import NearNames
from vision_customization.customization.errors import ConversionFailed

OUTSIDE_TOLERANCE = 0.005
"""As a fraction of the image's side: rounding to few digits can push a box over the edge."""

FOLDERS_DEEP = 32

ROUNDING = 1e-6
"""A box that is farther outside than this was not put there by floating point."""

_UPLOAD_PREFIX = re.compile(r"^[0-9a-f]{8}-(?=.)")
"""Label Studio puts it before the name of an uploaded file."""


class Annotations:
    """The images and labels that a reader has found so far, and the problems.

    The tool, or folders `train`, `valid` and `test`, say the source's own split.

    A dataset has boxes, or tags of whole images. If both are found, the boxes count, and the tags are left out with a remark.
    """

    def __init__(self, source: Path, folder: Path) -> None:
        self.source = source
        self.folder = folder
        self.problems: list[str] = []
        self.remarks = Remarks()
        self._images: dict[Path, FoundImage] = {}
        self._splits: dict[Path, str | None] = {}
        self._near = NearNames()

    def image(
        self,
        address: str,
        place: str,
        claimed: tuple[float, float] | None = None,
        beside: Path | None = None,
        split: str = "",
    ) -> FoundImage | None:
        """The image at an address, to add labels to. If there is none, or another entry has labelled it, that is a problem.

        Args:
            address: a path or a URL, as the tool wrote it.
            claimed: the size that the tool states, in pixels.
            beside: the folder that a relative path is looked up in first, by default the folder of all images.
            split: which split the tool says that it is in, in any words.
        """
        path = find_image(address, self.folder, beside or self.folder, self._near)
        if path is None:
            name = address.replace("\\", "/").rpartition("/")[2]
            near = self._near.hint(str(self.folder), name) if name and name_text_fault(name) is None else None
            where = f"no such image file: {address!a}, nor one with the end of this path in {self.folder}"
            self.problems.append(f"{place}: {where}" + (f". Is {near!r} meant?" if near else ""))
            return None
        if path in self._images:
            self.problems.append(f"{place}: its image is already labelled by {self._images[path].place}: {path}")
            return None
        item = self._images[path] = FoundImage(path, place, claimed=claimed)
        self._splits[path] = split_of(split)
        return item

    def add_box(self, item: FoundImage, tags: Iterable[str], box: PixelBox | Box, place: str, shape: str | None) -> None:
        """Add a box for each tag. `shape` is what the box is the bounds of, unless it was drawn as one: `a polygon`."""
        names = list(tags)
        for index, tag in enumerate(names):
            if tag in names[:index]:
                self.remarks.left_out(What.LABEL, "repeats a tag of its box", place)
                continue
            item.add(tag, box, place)
            if shape is not None:
                self.remarks.changed(What.LABEL, f"{shape}, whose bounds are the box", place)

    def finished(self, cache: DigestCache | None, on_progress: Progress | None) -> LabelledImages:
        """Read the image files. Raises ConversionFailed."""
        images = list(self._images.values())
        stated = any(self._splits.values())
        splits = self._splits if stated else splits_by_folder(self._images, self.folder, self.source)
        for path, testing in sides(splits, self.remarks, str(self.source) if stated else None).items():
            self._images[path].testing = testing
        boxed = any(box is not None for item in images for _, box, _ in item.labels)
        if boxed:
            for item in images:
                for _, box, place in item.labels:
                    if box is None:
                        self.remarks.left_out(What.LABEL, "a tag of the whole image, in a dataset with boxes", place)
                item.labels = [label for label in item.labels if label[1] is not None]
        if not self.problems and not any(item.labels for item in images):
            self.problems.append(f"{self.source}: has no label that can be converted, of {counted(len(images), 'image')}")
            self.problems += [f"{place}: {remark.reason}" for remark in self.remarks.listed() for place in remark.places]
        kind = AnnotationKind.IMAGE_OBJECT_DETECTION if boxed else AnnotationKind.IMAGE_CLASSIFICATION
        tags = sorted({tag for item in images for tag, _, _ in item.labels})
        return finish(kind, tags, images, self.problems, cache, on_progress, self.remarks)


def find_image(address: str, folder: Path, beside: Path, names: NearNames | None = None) -> Path | None:
    """The file at an address: its whole path below a folder, or as much of the path's end as exists there.

    Tools write paths of the machine, bucket or server that they ran on. None if there is no such file.
    """
    names = names or NearNames()
    text = _path_in(address.replace("\\", "/"))
    # A file on disk may itself have a percent sign in its name.
    for spelling in dict.fromkeys((text, unquote(text))):
        parts = [part for part in spelling.split("/") if part not in ("", ".")][-FOLDERS_DEEP:]
        if not parts or parts[-1] == ".." or name_text_fault(spelling):
            return None
        plain = [*parts[:-1], _UPLOAD_PREFIX.sub("", parts[-1])]
        for ending in (parts, plain) if plain != parts else (parts,):
            for start in range(len(ending)):
                for place in dict.fromkeys((beside, folder, folder / "images")):
                    path = _below(place, ending[start:], folder, names)
                    if path is not None:
                        return path
    return None


def _path_in(address: str) -> str:
    """The path in an address. Of a bucket or datastore, names may have `?` and `#`."""
    if "/local-files/?d=" in address:
        return address.partition("?d=")[2].partition("&")[0]
    if re.match(r"https?://", address, re.IGNORECASE):
        try:
            return urlsplit(address).path
        except ValueError:
            return ""
    return address.partition(":/")[2] if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", address) else address


def _below(place: Path, parts: list[str], folder: Path, names: NearNames) -> Path | None:
    """The file at `parts` from a place, if it is in `folder`; whatever Unicode form its name has on disk."""
    path = Path(os.path.normpath(place.joinpath(*parts)))
    if not path.absolute().is_relative_to(os.path.abspath(folder)):  # noqa: PTH100 - links stay links
        return None
    if _is_file(path):
        return path
    same = None if ".." in parts or "".join(parts).isascii() else names.same(str(place), "/".join(parts))
    return Path(same) if same is not None and _is_file(Path(same)) else None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # the name is too long
        return False


def fractions(edges: Edges) -> tuple[Box, bool]:
    """The contract's box, of edges in fractions of the image's sides; and whether it was clipped to the image.

    Raises:
        ValueError: it is empty, or more than `OUTSIDE_TOLERANCE` outside the image.
    """
    shown = "box from ({:g}, {:g}) to ({:g}, {:g})".format(*edges)
    if min(edges[:2]) < -OUTSIDE_TOLERANCE or not max(edges[2:]) <= 1 + OUTSIDE_TOLERANCE:
        raise ValueError(f"{shown} is outside the image: must be fractions from 0 to 1")
    left, top, right, bottom = max(0.0, edges[0]), max(0.0, edges[1]), min(1.0, edges[2]), min(1.0, edges[3])
    if right <= left or bottom <= top:
        raise ValueError(f"{shown} is empty")
    outside = max(-edges[0], -edges[1], edges[2] - 1, edges[3] - 1)
    return fitted((left, top, right - left, bottom - top)), outside > ROUNDING


def pixel_box(edges: Edges) -> PixelBox:
    return PixelBox(*edges)


def numbers(entry: dict[str, Any], *names: str) -> list[float]:
    """Finite numbers of a JSON object, by their names. Raises ValueError with the name of the first that is none."""
    return [as_number(entry.get(name), name) for name in names]


def as_number(value: object, name: str) -> float:
    """Raises ValueError, with the name, unless `value` is a finite number."""
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12:
        return float(value)
    raise ValueError(f"{name} is {shown_as_json(value)}, must be a number")


def size_in(entry: dict[str, Any], width: str = "width", height: str = "height") -> tuple[float, float] | None:
    """The size that an entry states; None if it states none."""
    try:
        size = numbers(entry, width, height)
    except ValueError:
        return None
    return (size[0], size[1]) if min(size) > 0 else None


def json_of(path: Path) -> Any:  # noqa: ANN401 - whatever the file holds
    """The JSON of a label file. Raises ConversionFailed."""
    document, unreadable = read_json(path, str(path))
    if unreadable is not None:
        raise ConversionFailed([str(unreadable)])
    return document


def json_lines(path: Path, problems: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Place and object of each line that is not empty. Raises ConversionFailed."""
    for line_number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        place = f"{path}:{line_number}"
        entry, unreadable = parse_json(line.encode("utf-8"), place)
        if unreadable is not None:
            problems.append(f"{place}: is not one JSON object a line: {unreadable.message}")
        elif not isinstance(entry, dict):
            problems.append(f"{place}: must be a JSON object")
        else:
            yield place, entry


def objects(values: object, place: str, problems: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Place and entry of each object of a list; None is an empty list. Others are problems."""
    if values is None:
        return
    if not isinstance(values, list):
        problems.append(f"{place}: must be a list")
        return
    for index, entry in enumerate(values):
        if isinstance(entry, dict):
            yield f"{place}[{index}]", entry
        else:
            problems.append(f"{place}[{index}]: must be an object")


def tags_in(values: object) -> list[str]:
    """The names in a list, or the only name. Raises ValueError."""
    names = [values] if isinstance(values, str) else values
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name.strip() for name in names):
        raise ValueError(f"{shown_as_json(values)} is not the name of a tag, or a list of names")
    for name in names:
        if fault := name_text_fault(name):
            raise ValueError(f"the tag {name!a} {fault}")
    return [name.strip() for name in names]


def count_tags(values: object) -> int:
    """How many names there are in such a list, or in its place; 1 if there is something else."""
    return len(values) if isinstance(values, list) and values else 1


def add_tags(item: FoundImage, tags: Iterable[str], place: str) -> None:
    """Add tags of the whole image."""
    for tag in tags:
        item.add(tag, None, place)
