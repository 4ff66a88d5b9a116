"""The files that a command names, as a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from vision_customization.contract.coco.document import read_json
from vision_customization.contract.enums import AnnotationKind, Purpose

kind_option = click.option(
    "--kind",
    type=click.Choice([kind.value for kind in AnnotationKind]),
    help="What the labels are for. [default: object detection if any annotation has a bbox]",
)
purpose_option = click.option(
    "--purpose",
    type=click.Choice([purpose.value for purpose in Purpose]),
    default=Purpose.TRAINING.value,
    show_default=True,
    help="What the dataset is for: the limits that it is checked against differ.",
)
images_option = click.option(
    "--images",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The folder that each file_name is relative to. [default: the first file's folder]",
)


def locate(files: Sequence[Path], images: Path | None) -> tuple[Path, list[str]]:
    """The dataset's folder, and its annotation files relative to it."""
    source = images or files[0].parent
    return source, [str(path.relative_to(source)) if path.is_relative_to(source) else str(path.absolute()) for path in files]


def guess_kind(files: Sequence[Path]) -> str:
    for path in files:
        document, _ = read_json(path, str(path))
        annotations = document.get("annotations") if isinstance(document, dict) else None
        if isinstance(annotations, list) and any(isinstance(entry, dict) and entry.get("bbox") for entry in annotations):
            return AnnotationKind.IMAGE_OBJECT_DETECTION
    return AnnotationKind.IMAGE_CLASSIFICATION
