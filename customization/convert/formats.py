"""The formats of labels that can be read, by the names that `--from` has for them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from vision_customization.customization.convert.labelled import LabelledImages, Progress
from vision_customization.customization.convert.readers.automl import read_automl
from vision_customization.customization.convert.readers.coco_boxes import read_coco
from vision_customization.customization.convert.readers.csv_rows import read_csv
from vision_customization.customization.convert.readers.cvat import read_cvat
from vision_customization.customization.convert.readers.folders import read_folders
from vision_customization.customization.convert.readers.ground_truth import read_ground_truth
from vision_customization.customization.convert.readers.image_list import read_list
from vision_customization.customization.convert.readers.label_studio import read_label_studio
from vision_customization.customization.convert.readers.labelme import read_labelme
from vision_customization.customization.convert.readers.pascal_voc import read_voc
from vision_customization.customization.convert.readers.yolo import read_yolo
from vision_customization.customization.datasets.digest_cache import DigestCache

FOLDER_READERS: dict[str, Callable[..., LabelledImages]] = {
    "folders": read_folders,
    "voc": read_voc,
    "yolo": read_yolo,
    "labelme": read_labelme,
}
"""The formats whose source is a folder, with its images."""

FILE_READERS: dict[str, Callable[..., LabelledImages]] = {
    "csv": read_csv,
    "coco-pixels": partial(read_coco, pixels=True),
    "coco": partial(read_coco, pixels=False),
    "label-studio": read_label_studio,
    "cvat": read_cvat,
    "automl": read_automl,
    "ground-truth": read_ground_truth,
    "list": read_list,
}
"""The formats whose source is one file."""


def read_labels(
    source_format: str,
    source: Path,
    images: Path | None = None,
    cache: DigestCache | None = None,
    on_progress: Progress | None = None,
) -> LabelledImages:
    """Read labels of any format.

    Args:
        images: the folder of the images that a file names, by default its own.

    Raises:
        ConversionFailed
    """
    if source_format in FOLDER_READERS:
        return FOLDER_READERS[source_format](source, cache=cache, on_progress=on_progress)
    return FILE_READERS[source_format](source, images, cache=cache, on_progress=on_progress)
