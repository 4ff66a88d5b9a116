"""A list of images and tags, one per line, such as `labels.txt`: `photos/1.jpg fork`. For classification.

Tools give the name `labels.txt` to two things. One is this list. The other is the list of the classes' names, one per line,
which goes with labels in other files: of YOLO, or of a list such as this whose tags are the numbers of classes.
"""

from __future__ import annotations

import re
from pathlib import Path

from vision_customization.common.dataset_content.image_formats import EXTENSIONS
from vision_customization.customization.convert.images.content import PHOTO_EXTENSIONS
from vision_customization.customization.convert.labelled import LabelledImages, Progress
from vision_customization.customization.convert.readers.annotations import Annotations, tags_in
from vision_customization.customization.convert.remarks import What
from vision_customization.customization.convert.sources.label_text import read_lines, read_text
from vision_customization.customization.datasets.digest_cache import DigestCache

CLASS_FILES = ("classes.txt", "labels.txt", "class_names.txt")
"""Lists of the classes' names, by the number of their line from 0; beside the list of images."""

_ENDINGS = "|".join(sorted(map(re.escape, EXTENSIONS | PHOTO_EXTENSIONS | {".jfif"}), key=len, reverse=True))
LINE = re.compile(rf"(?P<image>.+?(?:{_ENDINGS}))[\"']?(?:[\s,;]+(?P<tag>\S.*))?", re.IGNORECASE)
"""An image, and its tag behind blanks, a tab, a comma or a semicolon."""


def read_list(
    path: Path, images: Path | None = None, cache: DigestCache | None = None, on_progress: Progress | None = None
) -> LabelledImages:
    """Read images for classification. If all tags are numbers, and a file beside names the classes, the tags are these names.

    Args:
        images: the folder of the images, by default the file's folder.

    Raises:
        ConversionFailed
    """
    found = Annotations(path, images or path.parent)
    tagged: list[tuple[str, str, str]] = []
    for number, line in enumerate(read_lines(path), start=1):
        place = f"{path}:{number}"
        if not line.strip() or line.startswith("#"):
            continue
        found.remarks.sees(What.IMAGE)
        found.remarks.sees(What.LABEL)
        match = LINE.fullmatch(line.strip())
        if match is None or not match["tag"]:
            found.problems.append(f"{place}: must be the name of an image file, a blank, and its tag")
        else:
            tagged.append((place, match["image"].strip("\"'"), match["tag"].strip("\"'")))
    names = _class_names(path) if all(tag.isdecimal() for _, _, tag in tagged) else None
    for place, image, tag in tagged:
        item = found.image(image, place)
        if item is None:
            continue
        if names is not None and int(tag[:9]) >= len(names):
            found.problems.append(f"{place}: class {tag} has no name: there are names for {len(names)} classes, from 0")
            continue
        try:
            item.add(tags_in(tag if names is None else names[int(tag)])[0], None, place)
        except ValueError as error:
            found.problems.append(f"{place}: {error}")
    return found.finished(cache, on_progress)


def _class_names(path: Path) -> list[str] | None:
    """The names of the classes, by number; None if no file beside has them."""
    for name in CLASS_FILES:
        file = path.with_name(name)
        if file != path and file.is_file():
            return [line.strip() for line in read_text(file).rstrip().split("\n")]
    return None
