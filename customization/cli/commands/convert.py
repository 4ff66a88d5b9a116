"""`vision convert`."""

from __future__ import annotations

from pathlib import Path

import click
from click.core import ParameterSource

from vision_customization.customization.cli.conversion import (
    FORMATS,
    choose_format,
    count_tags,
    folder_of,
    print_tags,
    read_chosen,
    targets_in,
    write_parts,
)
from vision_customization.customization.cli.conversion_report import print_report, report_json
from vision_customization.customization.cli.options import seed_option, split_share_option
from vision_customization.customization.cli.output import json_option, print_json
from vision_customization.customization.errors import ConversionFailed


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
@split_share_option(0.0)
@seed_option
@click.option(
    "--multi-label",
    is_flag=True,
    help="Images may have several tags, or none: write labels for imageMultiLabelClassification. Boxes become tags.",
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
    multi_label: bool,
    copy_images: bool,
    as_json: bool,
) -> None:
    """Convert labels of other tools to COCO files that the service accepts: boxes as fractions, ids without gaps.

    The output ends with what was read, written and left out, by reason, with the first places.

    The train/test split is reproducible and stratified by tag, and identical images and near-duplicates never end up on both
    sides. A source with folders or files train, valid and test keeps that split, unless --test-share asks for another. If the
    output folder already has both files, their images stay where they are, and only new images are split. A file that lists
    images SOURCE does not have is not overwritten. If anything cannot be converted, nothing is written, the exit code is 1, and
    every problem is listed with its file and line or index.

    \b
    Examples:
      vision convert photos --from folders --test-share 0.2
      vision convert VOCdevkit/VOC2007 --from voc --output data --copy-images
      vision convert labels.csv --images photos
      vision convert scenes.json --multi-label
    """
    chosen = choose_format(source, source_format, images)
    folder = output or folder_of(source)
    labelled = read_chosen(chosen, multi_label=multi_label)
    targets = targets_in(folder, chosen.files, two=test_share > 0 or labelled.is_split)
    if test_share and len(labelled.images) < 2:
        raise ConversionFailed([f"{source}: a single image cannot be split into train and test"])
    parts = write_parts(
        labelled,
        targets,
        test_share=test_share,
        seed=seed,
        keep_parts=click.get_current_context().get_parameter_source("seed") is ParameterSource.DEFAULT,
        source=images or folder_of(source),
        copy_images=copy_images,
    )
    if as_json:
        written = {str(target): {"images": len(part.images), "tags": count_tags(part)} for target, part in parts.items()}
        print_json({"annotationKind": labelled.kind, "files": written, **report_json(list(parts.values()))})
    else:
        print_tags(labelled, parts)
        print_report(list(parts.values()))
