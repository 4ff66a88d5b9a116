"""The steps of a conversion that `vision convert` and `vision new` share."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vision_customization.contract.names import printable
from vision_customization.contract.texts import counted
from vision_customization.customization.cli.output import digest_cache, print_table, progress_bar, say
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
            detected = detect_format(source)
        except ConversionFailed as error:
            if not sys.stdin.isatty():
                raise
            say(str(error))
            source_format = str(click.prompt("Its format", type=click.Choice(FORMATS), err=True))
        else:
            return _with_labels(detected, images)
    if source_format not in FOLDER_READERS and source.is_dir():
        raise click.UsageError(f"--from {source_format} reads a file, but {source} is a folder")
    if source_format in FOLDER_READERS and not source.is_dir():
        raise click.UsageError(f"--from {source_format} reads a folder, but {source} is a file")
    return Detected(source_format, source, source_format, images)


def _with_labels(detected: Detected, images: Path | None) -> Detected:
    """What was found out, said. Raises ConversionFailed if there are no labels."""
    from vision_customization.customization.convert.detect_format import UNLABELLED

    if detected.format == UNLABELLED:
        advice = "Put the images of each tag in a folder of their own, or add files of labels"
        raise ConversionFailed([f"{detected.source}: {detected.evidence}. {advice}"])
    say(f"Read as {detected.evidence}")
    return replace(detected, images=images or detected.images)


def read_chosen(chosen: Detected, *, multi_label: bool) -> LabelledImages:
    """Read the labels and their images, with a progress bar.

    Args:
        multi_label: whether images may have several tags, or none.

    Raises:
        ConversionFailed
    """
    from vision_customization.customization.convert import as_multi_label, check_one_tag_each
    from vision_customization.customization.convert.formats import read_labels
    from vision_customization.customization.convert.split_files import join_splits, without_unlisted

    with progress_bar("reading images") as advance:

        def read_file(file: Detected) -> LabelledImages:
            return read_labels(
                file.format, file.source, file.images, digest_cache(), lambda done, total: advance(done, total, "")
            )

        if chosen.splits:
            read = join_splits({split: (file.source, read_file(file)) for split, file in chosen.splits.items()})
        else:
            read = read_file(chosen)
    read = without_unlisted(read, chosen.there)
    if multi_label:
        return as_multi_label(read)
    check_one_tag_each(read)
    return read


def overwrites(folder: Path, sources: Sequence[Path]) -> Path | None:
    """The source that train.json or test.json in `folder` would overwrite."""
    targets = [target for name in ("train.json", "test.json") if (target := folder / name).exists()]
    return next((target for target in targets for source in sources if target.samefile(source)), None)


def targets_in(folder: Path, sources: Sequence[Path], *, two: bool) -> list[Path]:
    """The COCO files to write: train.json, and test.json if there are `two`.

    Raises:
        click.UsageError: one of them is a source, or would be read as part of it the next time.
    """
    for source in sources:
        if source.is_dir() and source.resolve() in folder.resolve().parents:
            raise click.UsageError(f"{folder} is inside {source}, so its files would be read as labels: name another --output")
    targets = [folder / name for name in (("train.json", "test.json") if two else ("train.json",))]
    for target in targets:
        if target == overwrites(folder, sources):
            raise click.UsageError(f"{target} would overwrite the labels that are read: name another folder with --output")
    return targets


def write_parts(
    labelled: LabelledImages,
    targets: Sequence[Path],
    *,
    test_share: float,
    seed: int,
    keep_parts: bool,
    source: Path,
    copy_images: bool = False,
    origin: str | None = None,
) -> dict[Path, LabelledImages]:
    """Write the COCO files of one folder: one for training, and one for testing if there is a second target.

    If anything can't be written, nothing is. Without a `test_share`, images are split as their source does. A test.json of
    these images that is there already is written, too, even if it is not a target: no image may be in both files.

    Args:
        keep_parts: whether images that the targets already list stay in the file they are in.
        source: the folder of the images.
        copy_images: whether images of other folders are copied beside the targets.
        origin: what `copy_of` of the images begins with, if they are copies already.

    Raises:
        ConversionFailed
    """
    from vision_customization.customization.convert import (
        FormerParts,
        check_replaced,
        copy_files,
        groups_alike,
        origin_of,
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
    if copy_images:
        labelled, copies = plan_copies(labelled, source, folder)
    former = FormerParts.read(folder)
    if len(targets) == 1 and former.sides(labelled)[1]:
        targets = [*targets, folder / "test.json"]
    labelled = check_replaced(targets, labelled, origin or origin_of(source, folder))
    parts = [labelled]
    if len(targets) > 1:
        alike = groups_alike(labelled, {**copies, **photos}, digest_cache())
        if labelled.is_split and not test_share:
            parts = list(split_as_given(labelled, alike))
        else:
            parts = list(split(labelled, test_share, seed, former if keep_parts else None, alike))
    for part in parts:
        to_coco(part, folder)  # raises before anything is written
    write_photos(photos)
    copy_files(copies)
    for target, part in zip(targets, parts, strict=True):
        write_coco(part, target)
    return dict(zip(targets, parts, strict=True))


def print_tags(read: LabelledImages, parts: Mapping[Path, LabelledImages]) -> None:
    """Print how many labels of each tag each file has, and how many images."""
    counts = {target: count_tags(part) for target, part in parts.items()}
    rows = [(tag, *(counts[target].get(tag, 0) for target in parts)) for tag in read.tags]
    print_table(("tag", *(target.name for target in parts)), rows, "no tags")
    for target, part in parts.items():
        click.echo(printable(f"{target}: {counted(len(part.images), 'image')}"))


def count_tags(images: LabelledImages) -> dict[str, int]:
    """How many labels each tag has."""
    counts = dict.fromkeys(images.tags, 0)
    for image in images.images:
        for tag, _ in image.labels:
            counts[tag] += 1
    return counts
