"""Finding out which format the labels at a path are in, by the content of the files there."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vision_customization.contract.coco.streamed import LIST, open_document
from vision_customization.contract.texts import counted
from vision_customization.customization.convert.formats import FILE_READERS
from vision_customization.customization.convert.images.content import is_image
from vision_customization.customization.convert.readers.csv_columns import FILE_COLUMNS, column_key
from vision_customization.customization.convert.readers.image_list import LINE
from vision_customization.customization.convert.readers.yolo_names import NAME_FILES, lists_classes
from vision_customization.customization.convert.sources.source_files import OUTPUTS, source_files
from vision_customization.customization.convert.sources.splits import ORDER, split_of, split_of_file
from vision_customization.customization.errors import ConversionFailed

UNLABELLED = "unlabelled"
"""The format of a folder of images without labels, which no reader reads."""

TITLES = {
    "folders": "a folder per tag",
    "voc": "Pascal VOC",
    "yolo": "YOLO",
    "csv": "CSV",
    "coco-pixels": "COCO with boxes in pixels",
    "coco": "COCO",
    "label-studio": "Label Studio",
    "cvat": "CVAT for images",
    "labelme": "LabelMe",
    "automl": "Azure AutoML",
    "ground-truth": "a Ground Truth manifest",
    "list": "a list of images and tags",
    UNLABELLED: "images without labels",
}

LISTS = frozenset({"csv", "coco", "coco-pixels", "cvat", "automl", "list"})
"""Formats whose file lists every image that has labels; images that it does not list are left out. Readers of other formats
say themselves what they leave out."""

HEAD_BYTES = 65_536
SHOWN = 3

_YOLO_LINE = re.compile(r"\s*\d+(\.0*)?(\s+-?[\d.]+(e[-+]?\d+)?){4,}\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Detected:
    """What was found out: the name of the format, as of `--from` or `UNLABELLED`; what to read, a file or a folder; what
    says so, to be shown: `Pascal VOC: 40 XML files in Annotations/`; and the folder of the images that a file names.

    `splits` are the files of a folder that has one for each of the source's splits, as train.json and test.json. `there` are
    all images of a folder of which files say what is in it."""

    format: str
    source: Path
    evidence: str
    images: Path | None = None
    splits: Mapping[str, Detected] = field(default_factory=dict)
    there: tuple[Path, ...] = ()

    @property
    def files(self) -> tuple[Path, ...]:
        """What is read: the source, or the file of each split."""
        return tuple(split.source for split in self.splits.values()) or (self.source,)


@dataclass
class _Seen:
    """The files of a folder, sorted by what they hold."""

    images: list[Path] = field(default_factory=list)
    labels: defaultdict[str, list[Path]] = field(default_factory=lambda: defaultdict(list))
    others: Counter[str] = field(default_factory=Counter)


def detect_format(path: Path) -> Detected:
    """The format of the labels in a file or folder.

    Raises:
        ConversionFailed: it is unclear; the message says what is there, and what to choose from.
    """
    if not path.is_dir():
        found = _file_format(path) or ("csv" if path.suffix.lower() in (".csv", ".tsv") else None)
        if found is None:
            raise ConversionFailed([f"{path}: {_what_else(path)}"])
        if found not in FILE_READERS:
            raise ConversionFailed([f"{path}: is one file of many ({TITLES[found]}). Name its folder"])
        return Detected(found, path, f"{TITLES[found]}: {path.name}")
    seen = _seen(path)
    candidates = [candidate for name in seen.labels for candidate in _labelled(name, path, seen)]
    if len(candidates) == 1:
        return replace(candidates[0], there=tuple(seen.images) if candidates[0].format in LISTS else ())
    if splits := _splits(path, candidates):
        formats = {split.format for split in splits.values()}
        files = ", ".join(str(split.source.relative_to(path)) for split in splits.values())
        evidence = f"{' and '.join(TITLES[name] for name in sorted(formats))}: {files}"
        there = tuple(seen.images) if formats <= LISTS else ()
        return Detected(max(formats), path, evidence, splits=splits, there=there)
    if candidates:
        names = sorted({candidate.format for candidate in candidates})
        raise ConversionFailed(
            [
                f"{path}: it is unclear which labels count: {'; '.join(candidate.evidence for candidate in candidates)}. "
                + (_choices(names) if len(names) > 1 else "Name one of them, and another folder with --output")
            ]
        )
    return _unlabelled(path, seen)


def _choices(formats: Sequence[str]) -> str:
    return f"Say which format it is by --from: {', '.join(formats)}"


def _labelled(name: str, folder: Path, seen: _Seen) -> Iterator[Detected]:
    """What label files of one format are as a source: the whole folder, or each file."""
    files = seen.labels[name]
    if not files:
        return
    if name in FILE_READERS:
        for file in files:
            images = _images_of(file, folder, seen) if name in ("coco", "coco-pixels", "csv") else folder
            yield Detected(name, file, f"{TITLES[name]}: {file.relative_to(folder)}", images)
    else:
        kind = {"voc": "XML file", "labelme": "JSON file", "yolo": "label file"}[name]
        yield Detected(name, folder, f"{TITLES[name]}: {counted(len(files), kind)} in {_places(files, folder)}")


def _splits(folder: Path, candidates: Sequence[Detected]) -> dict[str, Detected]:
    """The file of each of the source's splits; empty if the candidates are something else."""
    splits: dict[str, Detected] = {}
    for candidate in candidates:
        split = split_of_file(candidate.source.relative_to(folder))
        if candidate.format not in FILE_READERS or split is None or split in splits:
            return {}
        splits[split] = candidate
    return {split: splits[split] for split in ORDER if split in splits}


def _images_of(file: Path, folder: Path, seen: _Seen) -> Path:
    """The folder that the names of images in a file are relative to: its own, or one in which an image has such a name."""
    head = _head(file).replace("\\\\", "/").replace("\\", "/")
    names = {text.strip() for text in re.split(r'["\r\n,;\t]', head)}
    places = dict[Path, None]()
    for image in seen.images:
        for place in image.parents:
            if image.relative_to(place).as_posix() in names:
                places[place] = None
            if place == folder:
                break
    return next((place for place in (file.parent, folder, *places) if place in places), file.parent)


def _places(files: Sequence[Path], folder: Path) -> str:
    places = sorted({file.parent for file in files})
    shown = [f"{place.relative_to(folder).as_posix()}/" if place != folder else f"{folder}" for place in places[:SHOWN]]
    return ", ".join(shown) + (f" and {len(places) - SHOWN:,} more folders" if len(places) > SHOWN else "")


def _unlabelled(folder: Path, seen: _Seen) -> Detected:
    """What a folder is that has images and no label files."""
    others = ", ".join(f"{counted(count, 'file')} {suffix}" for suffix, count in seen.others.most_common(SHOWN))
    if not seen.images:
        raise ConversionFailed([f"{folder}: has no images{f', but {others}' if others else ''}"])
    images = counted(len(seen.images), "image")
    tags = set[str]()
    loose = []
    for image in seen.images:
        above = image.relative_to(folder).parts[:-1]
        above = above[1:] if above and split_of(above[0]) else above
        if above:
            tags.add(above[0])
        else:
            loose.append(image)
    if not loose:
        shown = ", ".join(sorted(tags)[:SHOWN]) + (f" and {len(tags) - SHOWN:,} more" if len(tags) > SHOWN else "")
        return Detected("folders", folder, f"{TITLES['folders']}: {counted(len(tags), 'tag')} ({shown}), {images}")
    if not tags:
        return Detected(UNLABELLED, folder, f"{images} without labels" + (f", and {others}" if others else ""))
    tagged = f"{counted(len(seen.images) - len(loose), 'image')} in {counted(len(tags), 'folder')}"
    others = f"{counted(len(loose), 'image')} in no tag's folder: {', '.join(image.name for image in loose[:SHOWN])}"
    raise ConversionFailed([f"{folder}: {tagged}, and {others}. Move each image into the folder of its tag"])


def _seen(folder: Path) -> _Seen:
    seen = _Seen()
    texts = []
    for path in source_files(folder):
        suffix = path.suffix.lower()
        if suffix == ".txt" or path.name in NAME_FILES:
            texts.append(path)
        elif (found := _file_format(path)) is not None:
            seen.labels[found].append(path)
        elif is_image(path):
            seen.images.append(path)
        elif path.name not in OUTPUTS:
            seen.others[suffix or "without extension"] += 1
    stems = {image.stem for image in seen.images}
    yolo = [path for path in texts if path.stem in stems and not lists_classes(path, stems) and _is_yolo(path)]
    names = {image.name for image in seen.images}
    seen.labels["yolo"] = yolo
    seen.labels["list"] = [path for path in texts if _list_format(path) and _first_name(path) in names]
    read = {*yolo, *seen.labels["list"]}
    seen.others.update(path.suffix.lower() for path in texts if path not in read)
    _forget_outputs(folder, seen)
    return seen


def _forget_outputs(folder: Path, seen: _Seen) -> None:
    """Don't take what an earlier conversion wrote into its source for the source."""
    outputs = [file for file in seen.labels.get("coco", []) if file.parent == folder and file.name in OUTPUTS]
    others = any(
        file.parent != folder or split_of_file(Path(file.name)) is None for files in seen.labels.values() for file in files
    )
    if outputs and (others or all(_by_folders(file) for file in outputs)):
        seen.labels["coco"] = [file for file in seen.labels["coco"] if file not in outputs]


def _by_folders(file: Path) -> bool:
    """Whether each image of a COCO file has one tag, which is the name of its folder."""
    document, _ = open_document(file, file.name)
    try:
        names = {category["id"]: category["name"] for category in document["categories"]}
        tags = {annotation["image_id"]: names[annotation["category_id"]] for annotation in document["annotations"]}
        return all(tags[image["id"]] in str(image["file_name"]).split("/")[:-1] for image in document["images"])
    except (LookupError, TypeError):
        return False


def _is_yolo(path: Path) -> bool:
    """Whether a text file could be YOLO's: it is empty, or its first line is a class and at least four numbers."""
    lines = _head(path).lstrip("\ufeff").split("\n", 1)
    return not lines[0].strip() or _YOLO_LINE.fullmatch(lines[0]) is not None


def _file_format(path: Path) -> str | None:
    """The format of a label file by its content; None if it is of none."""
    reads = _BY_SUFFIX.get(path.suffix.lower())
    return reads(path) if reads is not None else None


def _head(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(HEAD_BYTES)
    except OSError:
        return ""
    # UTF-16 of Latin letters becomes readable, which is enough here.
    return data.replace(b"\0", b"").removeprefix(b"\xef\xbb\xbf").lstrip(b"\xff\xfe").decode("utf-8", "replace")


def _xml_format(path: Path) -> str | None:
    root = re.search(r"<(\w[\w.-]*)", re.sub(r"<!--.*?-->", "", _head(path), flags=re.DOTALL))
    return {"annotation": "voc", "annotations": "cvat"}.get(root[1]) if root else None


def _json_format(path: Path) -> str | None:
    head = _head(path).lstrip()
    if head.startswith("["):
        signs = r'"(data|annotation_id|lead_time|annotator|original_width|rectanglelabels)"\s*:'
        return "label-studio" if re.search(signs, head) else None
    if re.search(r'"shapes"\s*:\s*\[', head):
        return "labelme"
    if re.search(r'"(images|annotations|categories)"\s*:\s*\[', head):
        document, _ = open_document(path, path.name)
        annotations = document.get("annotations") if isinstance(document, dict) else None
        # Without boxes, either reader reads a classification.
        return "coco-pixels" if isinstance(annotations, LIST) and _in_pixels(annotations) else "coco"
    return _lines_format(path)


def _in_pixels(annotations: Iterable[Any]) -> bool:
    boxes = (entry.get("bbox") for entry in annotations if isinstance(entry, dict))
    return any(isinstance(number, int | float) and number > 1.5 for box in boxes if isinstance(box, list) for number in box)


def _lines_format(path: Path) -> str | None:
    """The format of a file of JSON lines."""
    try:
        entry: Any = json.loads(_first_line(path))
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict):
        return None
    return "automl" if "image_url" in entry else "ground-truth" if "source-ref" in entry else None


def _csv_format(path: Path) -> str | None:
    head = _head(path).split("\n")
    columns = {column_key(column.strip().strip('"')) for line in head[:2] for column in re.split("[,;\t]", line)}
    return "csv" if columns & set(map(column_key, FILE_COLUMNS)) else None


def _list_format(path: Path) -> str | None:
    match = LINE.fullmatch(_first_line(path))
    return "list" if match and match["tag"] else None


def _first_name(path: Path) -> str | None:
    """The name of the image in the first line of a list."""
    match = LINE.fullmatch(_first_line(path))
    return match["image"].replace("\\", "/").rpartition("/")[2] if match else None


def _first_line(path: Path) -> str:
    return next((line.strip() for line in _head(path).split("\n") if line.strip()), "")


_BY_SUFFIX: dict[str, Callable[[Path], str | None]] = {
    ".xml": _xml_format,
    ".json": _json_format,
    ".jsonl": _lines_format,
    ".manifest": _lines_format,
    ".csv": _csv_format,
    ".tsv": _csv_format,
    ".txt": _list_format,
}


def _what_else(path: Path) -> str:
    if path.suffix.lower() in (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar"):
        return "is an archive. Unpack it, and name the folder"
    if is_image(path):
        return "is an image, not a file of labels. Name its folder, or the file of its labels"
    return f"is in no format of label files that is known here. {_choices(sorted(FILE_READERS))}"
