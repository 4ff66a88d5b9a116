"""The files that a command names, as a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vision_customization.contract.coco.streamed import LIST, open_document
from vision_customization.contract.enums import AnnotationKind, Purpose
from vision_customization.customization.cli.output import digest_cache

if TYPE_CHECKING:
    from vision_customization.customization.datasets.source import DatasetSource

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
    help="What the dataset is for; each purpose has its own limits.",
)
images_option = click.option(
    "--images",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The folder that each file_name is relative to. [default: the first file's folder]",
)


def source_of(files: Sequence[Path], images: Path | None, kind: str, purpose: str) -> DatasetSource:
    """The named files as a dataset: its folder, and the annotation files relative to it."""
    from vision_customization.customization.datasets.source import DatasetSource

    folder = images or files[0].parent
    names = (str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path.absolute()) for path in files)
    return DatasetSource(folder, tuple(names), kind, purpose, digest_cache())


def guess_kind(files: Sequence[Path]) -> str:
    for path in files:
        document, _ = open_document(path, str(path))
        annotations = document.get("annotations") if isinstance(document, dict) else None
        if isinstance(annotations, LIST) and any(isinstance(entry, dict) and entry.get("bbox") for entry in annotations):
            return AnnotationKind.IMAGE_OBJECT_DETECTION
    return AnnotationKind.IMAGE_CLASSIFICATION
