"""`vision convert`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from vision_customization.contract.texts import counted
from vision_customization.customization.cli.conversion_report import print_report, report_json
from vision_customization.customization.cli.output import digest_cache, json_option, print_json, print_table, progress_bar, say
from vision_customization.customization.errors import ConversionFailed

if TYPE_CHECKING:
    from vision_customization.customization.convert import LabelledImages
    from vision_customization.customization.convert.detect_format import Detected

FORMATS = (
    "folders",
    "voc",
    "yolo",
    "labelme",
    "csv",
    "coco-pixels",
    "coco",
    "label-studio",
    "cvat",
    "automl",
    "ground-truth",
    "list",
)


@click.command(short_help="Convert other labels to COCO files")
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--from",
    "source_format",
    type=click.Choice(FORMATS),
    help="The format of SOURCE: a folder with one folder per tag, or of Pascal VOC, YOLO or LabelMe labels; a CSV file; a COCO "
    "file with boxes in pixels, or in fractions; a file of Label Studio, CVAT for images, Azure AutoML, or SageMaker Ground "
    "Truth; a text file with an image and its tag per line. [default: found out from its content]",
)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder to write train.json (and test.json) to; SOURCE itself is never overwritten. [default: SOURCE, or its "
    "folder]",
)
@click.option(
    "--images",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The folder with the images, if SOURCE is a file.",
)
@click.option(
    "--test-share",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.0,
    show_default=True,
    help="The share of each tag's images to put in test.json.",
)
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    help="Seed of the train/test split; a different seed gives a different split.",
)
@click.option("--copy-images", is_flag=True, help="Copy images from outside the output folder to its folder `images`.")
@json_option
def convert(
    source: Path,
    source_format: str | None,
    output: Path | None,
    images: Path | None,
    test_share: float,
    seed: int,
    copy_images: bool,
    as_json: bool,
) -> None:
    """Convert labels of other tools to COCO files that the service accepts: boxes as fractions, ids without gaps.

    The train/test split is reproducible and stratified by tag, and identical images never end up on both sides. If the output
    folder already has both files, their images stay where they are, and only new images are split. A file that lists images
    SOURCE does not have is not overwritten. If anything cannot be converted, nothing is written, the exit code is 1, and every
    problem is listed with its file and line or index.

    \b
    Examples:
      vision convert photos --from folders --test-share 0.2
      vision convert VOCdevkit/VOC2007 --from voc --output data --copy-images
      vision convert labels.csv --images photos
    """
    targets = targets_in(output or folder_of(source), source, test_share)
    chosen = choose_format(source, source_format, images)
    labelled = read_chosen(chosen)
    if test_share and len(labelled.images) < 2:
        raise ConversionFailed([f"{source}: a single image cannot be split into train and test"])
    parts = write_parts(
        labelled,
        targets,
        test_share=test_share,
        seed=seed,
        keep_parts=click.get_current_context().get_parameter_source("seed") is ParameterSource.DEFAULT,
        copy_from=(images or folder_of(source)) if copy_images else None,
    )
    if as_json:
        written = {str(target): {"images": len(part.images), "tags": _count_tags(part)} for target, part in parts.items()}
        print_json({"annotationKind": labelled.kind, "files": written, **report_json(labelled, list(parts.values()))})
    else:
        print_tags(labelled, parts)
        print_report(labelled, list(parts.values()))


def targets_in(folder: Path, source: Path, test_share: float) -> list[Path]:
    """The COCO files to write: train.json, and test.json if there is a share for it.

    Raises:
        click.UsageError: one of them is the source.
    """
    targets = [folder / name for name in (("train.json", "test.json") if test_share else ("train.json",))]
    for target in targets:
        if target.exists() and target.samefile(source):
            raise click.UsageError(f"{target} would overwrite the labels that are read: name another folder with --output")
    return targets


def print_tags(read: LabelledImages, parts: Mapping[Path, LabelledImages]) -> None:
    """Print how many labels of each tag each file has, and how many images."""
    counts = {target: _count_tags(part) for target, part in parts.items()}
    rows = [(tag, *(counts[target].get(tag, 0) for target in parts)) for tag in read.tags]
    print_table(("tag", *(target.name for target in parts)), rows, "no tags")
    for target, part in parts.items():
        click.echo(f"{target}: {counted(len(part.images), 'image')}")


def write_parts(
    labelled: LabelledImages,
    targets: Sequence[Path],
    *,
    test_share: float,
    seed: int,
    keep_parts: bool,
    copy_from: Path | None,
) -> dict[Path, LabelledImages]:
    """Write the COCO files of one folder: one for training, and one for testing if there is a second target.

    If anything can't be written, nothing is.

    Args:
        keep_parts: whether images that the targets already list stay in the file they are in.
        copy_from: the folder whose images are copied beside the targets; None copies none.

    Raises:
        ConversionFailed
    """
    from vision_customization.customization.convert import (
        FormerParts,
        check_replaced,
        copy_files,
        plan_copies,
        plan_photos,
        split,
        to_coco,
        write_coco,
        write_photos,
    )

    folder = targets[0].parent
    folder.mkdir(parents=True, exist_ok=True)
    labelled, photos = plan_photos(labelled, folder)
    copies: dict[Path, Path] = {}
    if copy_from is not None:
        labelled, copies = plan_copies(labelled, copy_from, folder)
    check_replaced(targets, labelled)
    parts = [labelled]
    if len(targets) > 1:
        parts = list(split(labelled, test_share, seed, FormerParts.read(folder) if keep_parts else None))
    for part in parts:
        to_coco(part, folder)  # raises before anything is written
    write_photos(photos)
    copy_files(copies)
    for target, part in zip(targets, parts, strict=True):
        write_coco(part, target)
    return dict(zip(targets, parts, strict=True))


def folder_of(source: Path) -> Path:
    return source if source.is_dir() else source.parent


def choose_format(source: Path, source_format: str | None, images: Path | None = None) -> Detected:
    """What to read, and its format: the given one, else found out, else asked for if the terminal is interactive.

    Raises:
        ConversionFailed: it is unclear, or there are no labels.
        click.UsageError: the given format is that of a file, and this is a folder, or the other way round.
    """
    from vision_customization.customization.convert.detect_format import Detected, detect_format
    from vision_customization.customization.convert.formats import FOLDER_READERS

    if source_format is None:
        try:
            return _found_out(detect_format(source), images)
        except ConversionFailed as error:
            if not sys.stdin.isatty():
                raise
            say(str(error))
            source_format = click.prompt("Its format", type=click.Choice(FORMATS), err=True)

    if source_format not in FOLDER_READERS and source.is_dir():
        raise click.UsageError(f"--from {source_format} reads a file, but {source} is a folder")
    if source_format in FOLDER_READERS and not source.is_dir():
        raise click.UsageError(f"--from {source_format} reads a folder, but {source} is a file")
    return Detected(str(source_format), source, f"--from {source_format}", images)


def _found_out(detected: Detected, images: Path | None) -> Detected:
    from vision_customization.customization.convert.detect_format import UNLABELLED

    if detected.format == UNLABELLED:
        advice = "Put the images of each tag in a folder of their own, or add files of labels"
        raise ConversionFailed([f"{detected.source}: {detected.evidence}. {advice}"])
    say(f"Read as {detected.evidence}")
    return replace(detected, images=images or detected.images)


def read_chosen(chosen: Detected) -> LabelledImages:
    """Read the labels and their images, with a progress bar. Raises ConversionFailed."""
    from vision_customization.customization.convert.formats import read_labels

    with progress_bar("reading images") as advance:
        return read_labels(
            chosen.format, chosen.source, chosen.images, digest_cache(), lambda done, total: advance(done, total, "")
        )


def _count_tags(images: LabelledImages) -> dict[str, int]:
    counts = dict.fromkeys(images.tags, 0)
    for image in images.images:
        for tag, _ in image.labels:
            counts[tag] += 1
    return counts
