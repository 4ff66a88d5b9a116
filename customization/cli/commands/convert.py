"""`vision convert`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from vision_customization.contract.texts import counted
from vision_customization.customization.cli.output import (
    digest_cache,
    json_option,
    print_json,
    print_table,
    progress_bar,
    say,
)
from vision_customization.customization.errors import ConversionFailed

if TYPE_CHECKING:
    from vision_customization.customization.convert import LabelledImages

COPIES_NAMED = 3
FORMATS = ("folders", "voc", "yolo", "csv", "coco-pixels", "coco")


@click.command(short_help="Convert other labels to COCO files")
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--from",
    "source_format",
    type=click.Choice(FORMATS),
    required=True,
    help="The format of SOURCE: a folder with one folder per tag; a folder of Pascal VOC or YOLO labels; a CSV file; a COCO "
    "file "
    "with boxes in pixels, or in fractions.",
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
    help="The folder with the images of a CSV or COCO file.",
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
@click.option(
    "--multi-label",
    is_flag=True,
    help="Images may have several tags, or none: write labels for imageMultiLabelClassification. Boxes become tags.",
)
@click.option("--copy-images", is_flag=True, help="Copy images from outside the output folder to its folder `images`.")
@json_option
def convert(
    source: Path,
    source_format: str,
    output: Path | None,
    images: Path | None,
    test_share: float,
    seed: int,
    multi_label: bool,
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
      vision convert labels.csv --from csv --images photos
      vision convert scenes.json --from coco-pixels --multi-label
    """
    folder = output or _folder_of(source)
    targets = [folder / name for name in (("train.json", "test.json") if test_share else ("train.json",))]
    for target in targets:
        if target.exists() and target.samefile(source):
            raise click.UsageError(f"{target} would overwrite SOURCE: name another folder with --output")
    with progress_bar("reading images") as advance:
        read = _read(source, source_format, images, lambda done, total: advance(done, total, ""))
    labelled = _multi_label(read) if multi_label else _as_found(read)
    if test_share and len(labelled.images) < 2:
        raise ConversionFailed([f"{source}: a single image cannot be split into train and test"])
    parts = write_parts(
        labelled,
        targets,
        test_share=test_share,
        seed=seed,
        keep_parts=click.get_current_context().get_parameter_source("seed") is ParameterSource.DEFAULT,
        copy_from=(images or _folder_of(source)) if copy_images else None,
    )
    counts = {target: _count_tags(part) for target, part in parts.items()}
    if as_json:
        written = {str(target): {"images": len(part.images), "tags": counts[target]} for target, part in parts.items()}
        print_json({"annotationKind": labelled.kind, "files": written})
    else:
        rows = [(tag, *(counts[target].get(tag, 0) for target in parts)) for tag in labelled.tags]
        print_table(("tag", *(target.name for target in parts)), rows, "no tags")
        for target, part in parts.items():
            click.echo(f"{target}: {len(part.images):,} images")


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
        split,
        to_coco,
        write_coco,
    )

    folder = targets[0].parent
    folder.mkdir(parents=True, exist_ok=True)
    copies: dict[Path, Path] = {}
    if copy_from is not None:
        labelled, copies = plan_copies(labelled, copy_from, folder)
    check_replaced(targets, labelled)
    parts = [labelled]
    if len(targets) > 1:
        parts = list(split(labelled, test_share, seed, FormerParts.read(folder) if keep_parts else None))
    for part in parts:
        to_coco(part, folder)  # raises before anything is written
    copy_files(copies)
    for target, part in zip(targets, parts, strict=True):
        write_coco(part, target)
    return dict(zip(targets, parts, strict=True))


def _multi_label(read: LabelledImages) -> LabelledImages:
    """The images with several tags each; says what of the source is not written as it was there."""
    from vision_customization.customization.convert import as_multi_label

    labelled = as_multi_label(read)
    boxes = sum(box is not None for image in read.images for _, box in image.labels)
    kept = {image.path for image in labelled.images}
    copies = [image.path.name for image in read.images if image.path not in kept]
    tagged = [len(image.labels) for image in labelled.images]
    several, none = sum(count > 1 for count in tagged), sum(not count for count in tagged)
    say(f"{labelled.kind}: {counted(several, 'image')} with several tags, {none:,} without a tag (they show none of the tags)")
    if boxes:
        say(f"boxes of {counted(boxes, 'label')} left out: only their tags are written")
    if copies:
        named = ", ".join(copies[:COPIES_NAMED]) + (
            f" and {len(copies) - COPIES_NAMED:,} more" if copies[COPIES_NAMED:] else ""
        )
        say(f"{counted(len(copies), 'image')} left out as copies ({named}): the first of identical images has the tags of all")
    return labelled


def _as_found(read: LabelledImages) -> LabelledImages:
    from vision_customization.customization.convert import check_one_tag_each

    check_one_tag_each(read)
    return read


def _folder_of(source: Path) -> Path:
    return source if source.is_dir() else source.parent


def _read(source: Path, source_format: str, images: Path | None, on_progress: Callable[[int, int], None]) -> LabelledImages:
    from vision_customization.customization.convert import read_coco, read_csv, read_folders, read_voc, read_yolo

    cache = digest_cache()
    if source_format in ("csv", "coco-pixels", "coco") and source.is_dir():
        raise click.UsageError(f"--from {source_format} reads a file, but {source} is a folder")
    if source_format in ("folders", "voc", "yolo") and not source.is_dir():
        raise click.UsageError(f"--from {source_format} reads a folder, but {source} is a file")
    if source_format == "csv":
        return read_csv(source, images, cache, on_progress)
    if source_format in ("coco-pixels", "coco"):
        return read_coco(source, images, pixels=source_format == "coco-pixels", cache=cache, on_progress=on_progress)
    read = {"folders": read_folders, "voc": read_voc, "yolo": read_yolo}[source_format]
    return read(source, cache, on_progress)


def _count_tags(images: LabelledImages) -> dict[str, int]:
    counts = dict.fromkeys(images.tags, 0)
    for image in images.images:
        for tag, _ in image.labels:
            counts[tag] += 1
    return counts
