"""`vision new`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from vision_customization.contract.enums import AnnotationKind, Purpose
from vision_customization.contract.texts import name_fault
from vision_customization.customization.cli.connection import project_folder
from vision_customization.customization.cli.conversion import (
    FORMATS,
    choose_format,
    folder_of,
    overwrites,
    print_tags,
    read_chosen,
    targets_in,
    write_parts,
)
from vision_customization.customization.cli.conversion_report import print_report, remark_line
from vision_customization.customization.cli.dataset_files import source_of
from vision_customization.customization.cli.options import split_share_option
from vision_customization.customization.cli.output import progress_bar
from vision_customization.customization.errors import DatasetInvalid

if TYPE_CHECKING:
    from vision_customization.contract.coco.document import Violation
    from vision_customization.customization.convert import LabelledImages
    from vision_customization.customization.program.stack_entry import StackEntry

STACK = "local"
GATES = {
    AnnotationKind.IMAGE_CLASSIFICATION: {"accuracyTop1": 0.8},
    AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION: {"meanAveragePrecision": 0.5},
    AnnotationKind.IMAGE_OBJECT_DETECTION: {"meanAveragePrecision50": 0.5},
}
"""The gate of a new model: enough to notice that something is wrong. Users raise it when they know the model's metrics."""


@click.command(short_help="Declare a model of your own images")
@click.argument("name")
@click.option(
    "--images",
    "source",
    type=click.Path(exists=True, path_type=Path),
    required=True,
    help="Your labelled images: a folder with one folder per tag, or labels that `vision convert` reads.",
)
@click.option("--from", "source_format", type=click.Choice(FORMATS), help="Their format. [default: found out]")
@click.option("--multi-label", is_flag=True, help="An image may have several tags, or none.")
@click.option("--stack", default=STACK, show_default=True, help="The stack whose file gets the model; it need not exist yet.")
@split_share_option(0.2, "The share of each tag's images that the model is judged on, and not trained on.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder for train.json, test.json and the contact sheet. [default: the images' folder, or "
    "datasets/NAME of the program if labels there would be overwritten]",
)
@click.option("--no-next", is_flag=True, help="Don't print the next command, which `make up` runs.")
def new(
    name: str,
    source: Path,
    source_format: str | None,
    multi_label: bool,
    stack: str,
    test_share: float,
    output: Path | None,
    no_next: bool,
) -> None:
    """Declare a model NAME of your own images in the stack's file, ready for `pulumi up`.

    It finds out the format of your labels, writes them as COCO files, keeps a share of the images for the test, checks
    everything against the rules of the service, draws a contact sheet of what it understood (an HTML file that opens from
    disk), and writes two datasets, a model and its gate into the stack's file, whose comments stay. Run it again after
    changing the images: what was for the test stays there, and your changes to the stack's file stay, too.

    \b
    Examples:
      vision new leaves --images my-photos
      vision new screws --images export.zip-folder/annotations.json --stack dev
    """
    from vision_customization.customization.program.stack_entry import stack_entry
    from vision_customization.customization.program.stack_file import Declared, Project, check_entry, check_use, declare

    for named in (name, stack):
        if fault := name_fault(named):
            raise click.UsageError(fault)
    program = project_folder()
    if program is None:
        raise click.UsageError("no Pulumi.yaml here or above: make a program first, with `vision init`")
    project = Project.read(program)
    chosen = choose_format(source, source_format)
    labelled = read_chosen(chosen, multi_label=multi_label)
    folder = output or folder_of(source)
    own = program / "datasets" / name
    photos = any(image.photo for image in labelled.images)
    if output is None and (photos or overwrites(folder, chosen.files) or (own / "test.json").exists()):
        # No copy of a photo stands among the originals, no label file is overwritten, and an earlier run's split is kept.
        folder = own
    if labelled.is_split and click.get_current_context().get_parameter_source("test_share") is ParameterSource.DEFAULT:
        test_share = 0.0  # the source has parts of its own
    file = project.stack_file(stack)
    check_use(project, stack, name, project.source_of(folder), labelled.kind)
    targets = targets_in(folder, chosen.files, two=test_share > 0 or labelled.is_split)

    def entry(images: int) -> StackEntry:
        where = [{"annotationFiles": [target.name], "source": project.source_of(folder)} for target in targets]
        gate = GATES[AnnotationKind(labelled.kind)]
        return stack_entry(
            name, labelled.kind, images, len(labelled.tags), where[0], where[1] if len(where) > 1 else None, gate
        )

    _check_sheet(folder)
    check_entry(file, project.name, entry(len(labelled.images)))  # raises before anything is written
    parts = write_parts(
        labelled,
        targets,
        test_share=test_share,
        seed=0,
        keep_parts=True,
        source=folder_of(source),
        copy_images=folder != folder_of(source),
    )
    warnings = _checked(parts, labelled.kind)
    print_tags(labelled, parts)
    print_report(list(parts.values()))
    for warning in warnings:
        click.echo(f"warning: {warning}")
    sheet = _draw_sheet(folder, name, [f"Read as {chosen.evidence} ({labelled.kind})"], labelled, parts, warnings)
    click.echo(f"contact sheet: {sheet.resolve().as_uri()}")
    done = declare(file, project.name, entry(len(parts[targets[0]].images)))
    what = {Declared.ADDED: f"the model {name} and its datasets", Declared.CHANGED: f"the model {name} now has these images"}
    click.echo(f"{file}: {what.get(done, 'unchanged')}")
    if not no_next:
        click.echo(f"\nNext: pulumi up --stack {stack}")


def _check_sheet(folder: Path) -> None:
    """Raises UsageError if the contact sheet would take the place of a file of the user's."""
    from vision_customization.customization.convert.contact_sheet import is_contact_sheet
    from vision_customization.customization.convert.sources.source_files import CONTACT_SHEET

    sheet = folder / CONTACT_SHEET
    if sheet.exists() and not (sheet.is_file() and is_contact_sheet(sheet)):
        raise click.UsageError(
            f"{sheet} is not a contact sheet of `vision new`: move it away, or name another folder with --output"
        )


def _checked(parts: dict[Path, LabelledImages], kind: str) -> list[Violation]:
    """The warnings about the written files. Raises DatasetInvalid with the errors of both."""
    from vision_customization.contract.coco.document import Severity
    from vision_customization.customization.datasets.content import check_dataset
    from vision_customization.customization.datasets.source import read_dataset

    found = [
        violation
        for target, purpose in zip(parts, (Purpose.TRAINING, Purpose.EVALUATION), strict=False)
        for violation in check_dataset(read_dataset(source_of([target], None, kind, purpose))).violations
    ]
    if errors := [violation for violation in found if violation.severity is Severity.ERROR]:
        raise DatasetInvalid(errors)
    return found


def _draw_sheet(
    folder: Path,
    name: str,
    facts: list[str],
    read: LabelledImages,
    parts: dict[Path, LabelledImages],
    warnings: list[Violation],
) -> Path:
    from vision_customization.customization.convert.contact_sheet import contact_sheet
    from vision_customization.customization.convert.sources.source_files import CONTACT_SHEET

    with progress_bar("drawing the contact sheet") as advance:
        page = contact_sheet(
            name,
            facts,
            {target.stem: part for target, part in parts.items()},
            [*map(remark_line, read.remarks), *map(str, warnings)],
            lambda done, total: advance(done, total, ""),
        )
    sheet = folder / CONTACT_SHEET
    sheet.write_text(page, "utf-8")
    return sheet
