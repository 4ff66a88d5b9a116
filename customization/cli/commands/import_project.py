"""`vision import`: projects of other services."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from vision_customization.common.deploying_identity import deploying_credential
from vision_customization.common.loopback import is_loopback
from vision_customization.contract.enums import AnnotationKind, Purpose
from vision_customization.contract.limits import DECLARED_NAME_MAX_LENGTH
from vision_customization.contract.texts import counted, name_fault
from vision_customization.customization.cli.commands.datasets import upload_files
from vision_customization.customization.cli.connection import project_folder, say_on_stderr
from vision_customization.customization.cli.conversion import write_parts
from vision_customization.customization.cli.conversion_report import print_report, report_json
from vision_customization.customization.cli.options import account_key_option, seed_option, split_share_option
from vision_customization.customization.cli.output import digest_cache, json_option, print_json, progress_bar, say
from vision_customization.customization.errors import ConversionFailed

if TYPE_CHECKING:
    from vision_customization.customization.convert import LabelledImages
    from vision_customization.customization.customvision.baseline import Baseline
    from vision_customization.customization.customvision.client import CustomVision
    from vision_customization.customization.program.stack_entry import StackEntry

IMAGES = "images"
BASELINE = "baseline.json"

_GATES: Mapping[str, str] = {
    AnnotationKind.IMAGE_CLASSIFICATION: "averagePrecision",
    AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION: "meanAveragePrecision",
    AnnotationKind.IMAGE_OBJECT_DETECTION: "meanAveragePrecision30",
}
"""The metric that is Custom Vision's average precision (of boxes at an overlap of 0.3)."""

GATE_MOST = 0.95
"""A gate above it would depend on single images: Custom Vision's average precision is often 1.0, of few images."""


@click.group("import", short_help="Import a project of another service")
def import_project() -> None:
    """Projects of other services: their images, labels and metrics."""


@import_project.command("customvision", short_help="Import a project of Custom Vision")
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--endpoint",
    envvar="VISION_CUSTOMVISION_ENDPOINT",
    show_envvar=True,
    metavar="URL",
    help="The address of the Custom Vision training resource.",
)
@click.option(
    "--key",
    envvar="VISION_CUSTOMVISION_KEY",
    show_envvar=True,
    metavar="KEY",
    help="Its training key; by default, your Entra identity is used. Other users can read a command line: prefer the variable.",
)
@click.option("--project", "project_name", metavar="NAME", help="The project's name or id.")
@click.option(
    "--iteration",
    metavar="NAME",
    help="Name or id of the iteration to compare with. [default: the newest published one, else the newest]",
)
@click.option(
    "--images",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="With FILES: the folder of the images, named by their ids.",
)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="The folder to write images, train.json, test.json and baseline.json to.",
)
@click.option("--name", help="The name of model and datasets in the stack's file. [default: the project's]")
@split_share_option(0.2)
@seed_option
@click.option("--container", metavar="URL", help="Also upload the datasets to this blob container, and name them in the YAML.")
@account_key_option("The storage account's key for --container. By default, your Entra identity uploads.")
@json_option
def customvision(
    files: tuple[Path, ...],
    endpoint: str | None,
    key: str | None,
    project_name: str | None,
    iteration: str | None,
    images: Path | None,
    output: Path,
    name: str | None,
    test_share: float,
    seed: int,
    container: str | None,
    account_key: str | None,
    as_json: bool,
) -> None:
    """Import a project of Azure's Custom Vision: images, labels, and the metrics and predictions of its iterations.

    The images are loaded into the folder `images` of --output. After an interruption, run the same command again: it loads
    only what is missing. The labels become COCO files, and whatever is left out is listed with its reason. At the end, the
    command prints the YAML for the stack's file.

    With FILES, the project is read from answers of the training API that were saved as JSON (GetTaggedImages, and GetTags and
    GetProject if you have them), with the images in --images.

    \b
    Examples:
      vision import customvision --endpoint https://me.cognitiveservices.azure.com --project chairs --output chairs
      vision import customvision tagged-*.json tags.json --images photos --output chairs
    """
    if name is not None and (fault := name_fault(name, DECLARED_NAME_MAX_LENGTH - len("-train"))):
        raise click.UsageError(f"--name: {fault}")
    if files:
        chosen = [option for option, value in (("--project", project_name), ("--iteration", iteration)) if value is not None]
        if chosen or images is None:
            advice = f"leave out {' and '.join(chosen)}" if chosen else "pass the folder of their images with --images"
            raise click.UsageError(f"FILES are read without the service: {advice}")
        labelled, project, baseline = _from_files(files, images)
        origin = None
    else:
        if endpoint is None or project_name is None or images is not None:
            raise click.UsageError("pass --endpoint and --project of the service, or FILES and --images")
        with ExitStack() as stack:
            service = stack.enter_context(_open_service(endpoint, key))
            labelled, project, baseline, origin = _from_service(service, project_name, iteration, output)
    targets = [output / file for file in (("train.json", "test.json") if test_share else ("train.json",))]
    if test_share and len(labelled.images) < 2:
        raise ConversionFailed([f"{project}: a single image cannot be split into train and test"])
    parts = write_parts(
        labelled,
        targets,
        test_share=test_share,
        seed=seed,
        keep_parts=click.get_current_context().get_parameter_source("seed") is ParameterSource.DEFAULT,
        source=images or output,
        copy_images=images is not None,
        origin=origin,
    )
    places = [_place(labelled.kind, target, container, account_key) for target, part in parts.items() if part.images]
    training = parts[targets[0]]
    entry = _stack_entry(name or _name_of(project), training, places, baseline)
    if as_json:
        counts = {str(target): len(part.images) for target, part in parts.items()}
        report = report_json(list(parts.values()))
        print_json({"project": project, "annotationKind": labelled.kind, "files": counts, **report, "stack": entry})
        return
    _print_import(project, labelled, parts, baseline, entry)


def _from_service(
    service: CustomVision, name: str, iteration: str | None, output: Path
) -> tuple[LabelledImages, str, Baseline | None, str]:
    """The images, the project's name, what its iterations say, and what `copy_of` of its images begins with."""
    from vision_customization.customization.customvision.baseline import chosen_iteration, read_from_service, write_baseline
    from vision_customization.customization.customvision.importing import import_project as load_project
    from vision_customization.customization.customvision.labels import labelled_images
    from vision_customization.customization.customvision.loading import ImageSource

    project = service.project(name)
    chosen_iteration(service.trained_iterations(project), iteration)  # raises before the images are loaded
    cache = digest_cache()
    with progress_bar("loading images") as advance, ImageSource() as source:
        content, loaded = load_project(
            service, project, output / IMAGES, source, cache, lambda done, total: advance(done, total, "")
        )
    with progress_bar("reading images") as advance:
        labelled = labelled_images(content, loaded.files, loaded.failed, cache, lambda done, total: advance(done, total, ""))
    if loaded.resized:
        say(f"{counted(len(loaded.resized), 'image')}: the project has only a smaller copy, which was loaded")
    paths = {image.path.stem: image.path for image in labelled.images}
    names = {id_: path.relative_to(output).as_posix() for id_, path in paths.items()}
    negatives = {tag.name for tag in content.tags.values() if tag.negative}
    baseline, without_image = read_from_service(service, project, labelled.kind, names, iteration, negatives)
    write_baseline(baseline, output / BASELINE)
    if without_image:
        say(f"{counted(without_image, 'prediction')} of the iteration left out: their images are not among the imported ones")
    origin = f"customvision:{project.id}"
    copies = tuple(replace(image, copy_of=f"{origin}/{image.path.stem}") for image in labelled.images)
    return replace(labelled, images=copies), project.name, baseline, origin


def _from_files(files: Sequence[Path], images: Path) -> tuple[LabelledImages, str, None]:
    from vision_customization.customization.convert.split_files import without_unlisted
    from vision_customization.customization.customvision.labels import labelled_images
    from vision_customization.customization.customvision.saved_files import find_files, read_saved, unlisted

    content = read_saved(files)
    with progress_bar("reading images") as advance:
        labelled = labelled_images(
            content, find_files(content, images), {}, digest_cache(), lambda done, total: advance(done, total, "")
        )
    return without_unlisted(labelled, unlisted(content, images)), content.name, None


def _open_service(endpoint: str, key: str | None) -> CustomVision:
    from vision_customization.customization.customvision.client import CustomVision

    if key:
        if not endpoint.startswith("https://") and not is_loopback(endpoint):
            raise click.UsageError(f"--endpoint: {endpoint} is not https, and would carry the key in clear text")
        return CustomVision(endpoint, key, on_silence=say_on_stderr)
    if not endpoint.startswith("https://"):
        raise click.UsageError("no key: pass --key or set VISION_CUSTOMVISION_KEY (an Entra identity works over https only)")
    return CustomVision(endpoint, deploying_credential(), on_silence=say_on_stderr)


def _place(kind: str, target: Path, container: str | None, account_key: str | None) -> dict[str, Any]:
    """Where a stack finds the dataset of a COCO file: in its folder, or in the container that it is uploaded to."""
    if container is not None:
        purpose = Purpose.TRAINING if target.name == "train.json" else Purpose.EVALUATION
        uploaded = upload_files((target,), kind, purpose, None, container, account_key)
        return {"annotationFileUris": list(uploaded.annotation_uris)}
    program = project_folder()
    folder = target.parent.resolve()
    inside = program is not None and folder.is_relative_to(program)
    source = folder.relative_to(program).as_posix() if inside and program is not None else str(folder)
    return {"annotationFiles": [target.name], "source": source}


def _name_of(project: str) -> str:
    """A name for the stack's file: the project's, with a hyphen for each character that a name cannot have."""
    name = re.sub(r"[^a-zA-Z0-9._-]+", "-", project).strip("-._")
    return name[: DECLARED_NAME_MAX_LENGTH - len("-train")].lower() or "customvision"


def _stack_entry(
    name: str, training: LabelledImages, places: Sequence[dict[str, Any]], baseline: Baseline | None
) -> StackEntry:
    from vision_customization.customization.program.stack_entry import stack_entry

    iteration = baseline.iteration if baseline is not None else None
    performance = iteration.performance if iteration is not None else None
    require = {}
    if performance is not None and performance.average_precision is not None:
        require[_GATES[training.kind]] = min(math.floor(performance.average_precision * 100) / 100, GATE_MOST)
    evaluation = places[1] if len(places) > 1 else None
    return stack_entry(name, training.kind, len(training.images), len(training.tags), places[0], evaluation, require)


def _print_import(
    project: str,
    labelled: LabelledImages,
    parts: dict[Path, LabelledImages],
    baseline: Baseline | None,
    entry: StackEntry,
) -> None:
    from vision_customization.customization.program.stack_entry import PROJECT, stack_yaml
    from vision_customization.customization.program.stack_file import Project

    click.echo(f"{project}: {labelled.kind}, {counted(len(labelled.tags), 'tag')}")
    for target, part in parts.items():
        click.echo(f"{target}: {counted(len(part.images), 'image')}")
    print_report(list(parts.values()))
    if baseline is not None and baseline.iteration is not None:
        path = next(iter(parts)).parent / BASELINE
        predicted = counted(len(baseline.predictions), "image")
        click.echo(f"{path}: iteration {baseline.iteration.name!r}, its metrics, and its predictions for {predicted}")
    elif baseline is not None:
        click.echo("The project has no trained iteration, so there is nothing to compare with.")
    program = project_folder()
    declared = Project.read(program) if program is not None else None
    file = "stacks/Pulumi.<stack>.yaml" if declared is None else declared.stack_file("<stack>").relative_to(declared.folder)
    click.echo(f"\nAdd this to the stack's file ({file}):\n")
    click.echo(stack_yaml(entry, PROJECT if declared is None else declared.name), nl=False)
    if baseline is not None and baseline.iteration is not None:
        (model,) = entry["models"]
        say(f"\nThen train it with `pulumi up`, and compare: vision compare {next(iter(parts)).parent / BASELINE} {model}")
