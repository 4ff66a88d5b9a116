"""Pascal VOC: one XML file per image, boxes in pixels counted from 1, both ends inclusive."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

from vision_customization.contract.enums import AnnotationKind
from vision_customization.customization.convert.labelled import FoundImage, LabelledImages, PixelBox, Progress, finish, number
from vision_customization.customization.convert.remarks import Remarks, What
from vision_customization.customization.convert.sources.label_xml import xml_root
from vision_customization.customization.convert.sources.source_files import image_files, images_among, source_files
from vision_customization.customization.convert.sources.splits import sides, split_in
from vision_customization.customization.convert.sources.voc_lists import LABEL_FOLDERS, is_split_list, listed_splits
from vision_customization.customization.datasets.digest_cache import DigestCache
from vision_customization.customization.datasets.near_names import NearNames
from vision_customization.customization.errors import ConversionFailed

IMAGE_FOLDERS = ("JPEGImages", "images", "Images", "")
EDGES = ("xmin", "ymin", "xmax", "ymax")


def read_voc(source: Path, cache: DigestCache | None = None, on_progress: Progress | None = None) -> LabelledImages:
    """Read images for object detection from every `.xml` below `source` that is an `<annotation>`.

    Each image is found by its `<filename>`, else by the name of its XML file: in the folder that matches that of the XML file
    (`Annotations/a/1.xml`: `JPEGImages/a`), beside the XML file, or in `JPEGImages`, `images` or `source` itself. The lists
    `train`, `val`, `trainval` and `test` in `ImageSets/Main`, or else folders `train`, `valid` and `test`, are the source's own
    split.

    Raises:
        ConversionFailed
    """
    remarks = Remarks()
    files = source_files(source, remarks)
    labels = [path for path in files if path.suffix.lower() == ".xml"]
    if not labels:
        raise ConversionFailed([f"{source}: has no .xml file"])
    problems: list[str] = []
    lists = [path for path in files if is_split_list(path)]
    listed = listed_splits(lists, remarks)
    images = _Images(source, [path for path in files if path not in lists], remarks)
    remarks.sees(What.IMAGE, len(images))
    found: dict[Path, FoundImage] = {}
    splits: dict[Path, str | None] = {}
    for path in labels:
        root = xml_root(path, problems)
        if root is None:
            continue
        if root.tag != "annotation":
            remarks.left_out(What.FILE, f"is not an <annotation> of Pascal VOC but a <{root.tag}>", str(path))
            continue
        try:
            image = images.find(path, root.findtext("filename", "").strip(), remarks)
        except ValueError as error:
            problems.append(f"{path}: {error}")
            continue
        splits[image] = listed.get(path.with_suffix("")) if lists else images.split_of(image)
        item = FoundImage(image, str(path), claimed=_size(root))
        _read(root, item, problems, remarks)
        if (first := found.setdefault(image, item)) is not item:
            problems.append(f"{path}: labels the image {image}, as {first.place} does. An image has one .xml file")
    for image, testing in sides(splits, remarks, str(lists[0].parent) if lists else None).items():
        found[image].testing = testing
    for image in images.without_labels(found):
        remarks.left_out(What.IMAGE, "has no .xml file", str(image))
    tags = sorted({tag for item in found.values() for tag, _, _ in item.labels})
    return finish(AnnotationKind.IMAGE_OBJECT_DETECTION, tags, found.values(), problems, cache, on_progress, remarks)


def _read(root: ET.Element, item: FoundImage, problems: list[str], remarks: Remarks) -> None:
    remarks.sees(What.LABEL, sum(element.tag in ("object", "part") for element in root.iter()))
    objects = root.findall("object")
    if deeper := sum(1 for _ in root.iter("object")) - len(objects):
        problems.append(f"{item.place}: {deeper} <object> not directly below <annotation>, where each must be")
    for index, element in enumerate(objects):
        place = f"{item.place}: object[{index}]"
        tag = element.findtext("name", "").strip()
        if not tag:
            problems.append(f"{place}: has no name")
            continue
        try:
            edges = _edges(element)
        except ValueError as error:
            problems.append(f"{place} ({tag}): {error}")
            continue
        # Pixels are counted from 1: the first starts at 0, the last ends at its own number.
        item.add(tag, PixelBox(edges[0] - 1, edges[1] - 1, edges[2], edges[3]), f"{place} ({tag})")
        for part in element.iter("part"):
            remarks.left_out(What.LABEL, "is a <part> of an object", f"{place} ({tag}): {part.findtext('name', '').strip()}")


def _edges(element: ET.Element) -> list[float]:
    boxes = element.findall("bndbox")
    if len(boxes) > 1:
        raise ValueError(f"has {len(boxes)} bndbox, must have one")
    try:
        return [number(element.findtext(f"bndbox/{edge}")) for edge in EDGES]
    except ValueError as error:
        raise ValueError(f"bndbox must have xmin, ymin, xmax and ymax: {error}") from None


def _size(root: ET.Element) -> tuple[float, float] | None:
    try:
        size = number(root.findtext("size/width")), number(root.findtext("size/height"))
    except ValueError:
        return None
    # Some tools write zeros for an unknown size.
    return size if all(size) else None


class _Images:
    """The image files of a source, by folder and name."""

    def __init__(self, source: Path, files: list[Path], remarks: Remarks) -> None:
        self._root = source
        images = images_among(files, remarks, labels={".xml"})
        beside = [folder for name in IMAGE_FOLDERS if name and (folder := source.parent / name).is_dir()]
        if not images and source.name.lower() in LABEL_FOLDERS and beside:
            self._root = source.parent
            images = [path for folder in beside for path in image_files(folder)]
        self._files = dict.fromkeys(images)
        self._by_stem: defaultdict[Path, list[Path]] = defaultdict(list)
        for path in self._files:
            self._by_stem[path.with_suffix("")].append(path)
        self._folders_with_images = {path.parent for path in self._files}
        self._near = NearNames()

    def __len__(self) -> int:
        return len(self._files)

    def find(self, xml: Path, file_name: str, remarks: Remarks) -> Path:
        """The image of an XML file. Raises ValueError if there is none, or if several could be meant."""
        # Windows tools write full paths.
        *parents, name = file_name.replace("\\", "/").split("/")
        folders = list(dict.fromkeys(self._folders(xml, parents)))
        for folder in folders if name else ():
            if (path := folder / name) in self._files:
                return path
            same = self._near.same(str(folder), name)
            if same is not None and Path(same) in self._files:
                return Path(same)
        for stem in dict.fromkeys((name, xml.stem)):
            for folder in folders if stem else ():
                several = self._by_stem.get(folder / stem, [])
                if len(several) > 1:
                    which = " or ".join(path.name for path in several)
                    raise ValueError(f"could be of {which}: remove one of them, or name the image in <filename>")
                if several:
                    if name and stem != name:
                        reason = "names an image that does not exist, so the one called like the .xml file counts"
                        remarks.changed(What.FILE, reason, str(xml))
                    return several[0]
        near = next((hint for folder in folders if (hint := self._near.hint(str(folder), name or xml.stem))), None)
        missing = xml.parent / (name or xml.stem)
        raise ValueError(f"no such image file: {missing}" + (f". Is {near!r} meant?" if near else ""))

    def split_of(self, image: Path) -> str | None:
        return split_in(image.relative_to(self._root).parts[:-1])

    def without_labels(self, labelled: Container[Path]) -> list[Path]:
        return [path for path in self._files if path not in labelled]

    def _folders(self, xml: Path, parents: list[str]) -> Iterator[Path]:
        """The folders that an XML file's image may be in, the likeliest first."""
        own = [folder for folder in self._own_folders(xml) if folder in self._folders_with_images]
        if own:
            yield from own
            yield xml.parent
            return
        # As much of the path in <filename> as exists here.
        for start in range(len(parents)):
            for folder in IMAGE_FOLDERS:
                yield self._root.joinpath(folder, *(part for part in parents[start:] if part not in ("", "..")))
        yield xml.parent
        for folder in IMAGE_FOLDERS:
            yield self._root / folder
            yield xml.parent.parent / folder

    def _own_folders(self, xml: Path) -> Iterator[Path]:
        """`JPEGImages/a` of `Annotations/a/1.xml`, and its likes. If one exists, images elsewhere are those of other files."""
        inner = xml.parent.relative_to(self._root).parts
        for folder in IMAGE_FOLDERS:
            for index, part in enumerate(inner):
                before, after = inner[:index], inner[index + 1 :]
                if part.lower() in LABEL_FOLDERS and (before or after):
                    yield self._root.joinpath(*before, folder, *after)
        for folder in IMAGE_FOLDERS if inner else ():
            yield self._root.joinpath(folder, *inner)
