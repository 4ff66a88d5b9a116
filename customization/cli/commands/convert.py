"""`vision convert`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from vision_customization.contract.names import printable
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

    The output ends with what was read, written and left out, by reason, with the first places.

    The train/test split is reproducible and stratified by tag, and identical images never end up on both sides. A source with
    folders train, valid and test keeps that split, unless --test-share asks for another. If the output
    folder already has both files, their images stay where they are, and only new images are split. A file that lists images
    SOURCE does not have is not overwritten. If anything cannot be converted, nothing is written, the exit code is 1, and every
    problem is listed with its file and line or index.

    \b
    Examples:
      vision convert photos --from folders --test-share 0.2
      vision convert VOCdevkit/VOC2007 --from voc --output data --copy-images
      vision convert labels.csv --images photos
    """
    folder = output or _folder_of(source)
    images_folder = images or _folder_of(source)
    if source_format is None:
        detected = _found_out(source)
        source, source_format, images = detected.source, detected.format, images or detected.images
    _keep_source(source, _targets(folder, test_share > 0))
    with progress_bar("reading images") as advance:
        labelled = _read(source, source_format, images, lambda done, total: advance(done, total, ""))
    targets = _targets(folder, test_share > 0 or labelled.is_split)
    _keep_source(source, targets)
    if test_share and len(labelled.images) < 2:
        raise ConversionFailed([f"{source}: a single image cannot be split into train and test"])
    parts = write_parts(
        labelled,
        targets,
        test_share=test_share,
        seed=seed,
        keep_parts=click.get_current_context().get_parameter_source("seed") is ParameterSource.DEFAULT,
        copy_from=images_folder if copy_images else None,
    )
    counts = {target: _count_tags(part) for target, part in parts.items()}
    if as_json:
        written = {str(target): {"images": len(part.images), "tags": counts[target]} for target, part in parts.items()}
        print_json({"annotationKind": labelled.kind, "files": written, **report_json(list(parts.values()))})
    else:
        rows = [(tag, *(counts[target].get(tag, 0) for target in parts)) for tag in labelled.tags]
        print_table(("tag", *(target.name for target in parts)), rows, "no tags")
        for target, part in parts.items():
            click.echo(printable(f"{target}: {counted(len(part.images), 'image')}"))
        print_report(list(parts.values()))


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

    If anything can't be written, nothing is. Without a `test_share`, images are split as their source does.

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
        split_as_given,
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
    if len(targets) > 1 and test_share:
        parts = list(split(labelled, test_share, seed, FormerParts.read(folder) if keep_parts else None))
    elif len(targets) > 1:
        parts = list(split_as_given(labelled))
    for part in parts:
        to_coco(part, folder)  # raises before anything is written
    write_photos(photos)
    copy_files(copies)
    for target, part in zip(targets, parts, strict=True):
        write_coco(part, target)
    return dict(zip(targets, parts, strict=True))


def _targets(folder: Path, two: bool) -> list[Path]:
    return [folder / name for name in (("train.json", "test.json") if two else ("train.json",))]


def _keep_source(source: Path, targets: Sequence[Path]) -> None:
    for target in targets:
        if target.exists() and target.samefile(source):
            raise click.UsageError(f"{target} would overwrite SOURCE: name another folder with --output")


def _folder_of(source: Path) -> Path:
    return source if source.is_dir() else source.parent


def _read(source: Path, source_format: str, images: Path | None, on_progress: Callable[[int, int], None]) -> LabelledImages:
    from vision_customization.customization.convert.formats import FOLDER_READERS, read_labels

    if source_format not in FOLDER_READERS and source.is_dir():
        raise click.UsageError(f"--from {source_format} reads a file, but {source} is a folder")
    if source_format in FOLDER_READERS and not source.is_dir():
        raise click.UsageError(f"--from {source_format} reads a folder, but {source} is a file")
    return read_labels(source_format, source, images, digest_cache(), on_progress)


def _found_out(source: Path) -> Detected:
    """What to read, and its format. Raises ConversionFailed if it is unclear."""
    from vision_customization.customization.convert.detect_format import UNLABELLED, detect_format

    detected = detect_format(source)
    if detected.format == UNLABELLED:
        raise ConversionFailed(
            [f"{source}: {detected.evidence}. Put the images of each tag in a folder of their own, or add files of labels"]
        )
    say(f"Read as {detected.evidence}")
    return detected


def _count_tags(images: LabelledImages) -> dict[str, int]:
    counts = dict.fromkeys(images.tags, 0)
    for image in images.images:
        for tag, _ in image.labels:
            counts[tag] += 1
    return counts
