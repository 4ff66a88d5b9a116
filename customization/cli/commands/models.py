"""`vision models`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vision_customization.common.errors import VisionError
from vision_customization.common.file_digest import file_digest
from vision_customization.contract.enums import ModelKind
from vision_customization.contract.estimates import estimate_text, main_metric, outlook_text
from vision_customization.contract.limits import TILES_MAX
from vision_customization.contract.owners import owner_of
from vision_customization.contract.training_rules import tiles_fault
from vision_customization.contract.training_time import budget_range_fault, duration
from vision_customization.customization.cli.connection import service_options
from vision_customization.customization.cli.gate_argument import Requirement
from vision_customization.customization.cli.options import timeout_option
from vision_customization.customization.cli.output import (
    confirm,
    json_option,
    performance_rows,
    print_json,
    print_table,
    progress_bar,
    say,
)
from vision_customization.customization.errors import AlreadyExists

if TYPE_CHECKING:
    from vision_customization.contract.models import Model
    from vision_customization.customization.client.client import VisionClient

KINDS = [kind.value for kind in ModelKind]


@click.group(short_help="Train, import, publish and list models")
def models() -> None:
    """Models: trainings, their results, and the names that models are published under."""


@models.command("list", short_help="List the models")
@service_options
@json_option
def list_models(client: VisionClient, as_json: bool) -> None:
    """List the models.

    \b
    Example:
      vision models list --json | jq -r '.[] | select(.status == "succeeded").name'
    """
    found = list(client.list_models())
    if as_json:
        print_json([model.to_wire() for model in found])
        return
    rows = [
        (
            model.name,
            model.status.value,
            model.training_parameters.training_dataset_name,
            main_metric(model.model_performance.to_wire()) if model.model_performance else None,
            model.training_cost_in_minutes,
            f"{model.created_date_time:%Y-%m-%d %H:%M}",
        )
        for model in found
    ]
    columns = ("name", "status", "trained from", "metric", "minutes", "created (UTC)")
    print_table(columns, rows, "There is no model. Train one with `vision models train`.")


@models.command("show", short_help="Show one model")
@click.argument("name")
@service_options
@json_option
def show_model(client: VisionClient, name: str, as_json: bool) -> None:
    """Show one model (or the one behind a published name): the progress of its training, or its result.

    \b
    Example:
      vision models show trees-1
    """
    _print_model(resolve(client, name), as_json)


@models.command("train", short_help="Train a model and wait for it")
@click.argument("name")
@click.option("--dataset", required=True, metavar="NAME", help="The dataset to train from.")
@click.option(
    "--test-dataset", metavar="NAME", help="A dataset to evaluate the model on. [default: images held out of --dataset]"
)
@click.option("--kind", type=click.Choice(KINDS), default=KINDS[0], show_default=True, help="What to train.")
@click.option(
    "--hours",
    type=click.IntRange(1, 1344),
    default=1,
    show_default=True,
    help="Maximum compute time in hours. The training fails if the engine can't do it in the time.",
)
@click.option(
    "--tiles",
    type=click.IntRange(1, TILES_MAX),
    default=1,
    show_default=True,
    help="Detectors only: enlarge each image N× in both directions, to find small objects in large images.",
)
@click.option(
    "--wait/--no-wait", default=True, show_default=True, help="Whether to wait until the training ends, showing its progress."
)
@timeout_option("training")
@service_options
@json_option
def train_model(
    client: VisionClient,
    name: str,
    dataset: str,
    test_dataset: str | None,
    kind: str,
    hours: int,
    tiles: int,
    wait: bool,
    timeout_seconds: float | None,
    as_json: bool,
) -> None:
    """Train model NAME from a dataset, and wait for it.

    If an interrupted command already started this training, wait for it instead of starting another. The exit code is 1 if the
    training fails.

    \b
    Examples:
      vision models train trees-1 --dataset trees --test-dataset trees-test
      vision models train trees-1 --dataset trees --no-wait
      vision models train shelves-1 --dataset shelves --kind Product-Recognizer --tiles 2
    """
    if fault := budget_range_fault(ModelKind(kind), hours):
        raise click.UsageError(f"--hours: {fault}")
    if fault := tiles_fault(ModelKind(kind), tiles):
        raise click.UsageError(f"--tiles: {fault}")
    try:
        model = client.create_model(
            name,
            training_dataset_name=dataset,
            time_budget_in_hours=hours,
            model_kind=ModelKind(kind),
            test_dataset_name=test_dataset,
            tiles=tiles,
        )
    except AlreadyExists:
        model = client.get_model(name)
        asked = (dataset, hours, kind, test_dataset, tiles)
        if _training(model) != asked:
            raise
        say(f"this training already exists: {model.status.value}")
    if wait:
        model = _wait(client, name, timeout_seconds)
    else:
        say(f"The training was started. `vision models wait {name}` waits until it ends.")
    _print_model(model, as_json)


@models.command("wait", short_help="Wait until a training ends")
@click.argument("name")
@timeout_option("training")
@service_options
@json_option
def wait_for_model(client: VisionClient, name: str, timeout_seconds: float | None, as_json: bool) -> None:
    """Wait until a training ends, showing its progress. The exit code is 1 if the training fails.

    \b
    Example:
      vision models wait trees-1 --timeout 600
    """
    _print_model(_wait(client, name, timeout_seconds), as_json)


@models.command("cancel", short_help="Cancel a training")
@click.argument("name")
@service_options
def cancel_model(client: VisionClient, name: str) -> None:
    """Cancel a training.

    \b
    Example:
      vision models cancel trees-1
    """
    client.cancel_model(name)
    model = client.wait_for_model(name, timeout_seconds=300, raise_on_failure=False)
    say(f"model {name!r}: {model.status.value}")


@models.command("delete", short_help="Delete a model")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@service_options
def delete_model(client: VisionClient, name: str, yes: bool) -> None:
    """Delete a model with its evaluations and its file. If it is training, the training is cancelled first.

    \b
    Example:
      vision models delete trees-1 --yes
    """
    model = client.get_model(name)
    confirm(f"Delete model {name!r} ({model.status.value})?", yes)
    client.end_model(name)
    say(f"model {name!r} is deleted")


@models.command("import", short_help="Import a model trained elsewhere")
@click.argument("name")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--metadata",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Its JSON file, as `vision export` wrote it. [default: FILE with the suffix .json]",
)
@service_options
@json_option
def import_model(client: VisionClient, name: str, file: Path, metadata: Path | None, as_json: bool) -> None:
    """Import a model that another service trained: the ONNX FILE that `vision export` wrote, and the JSON file beside it.

    Nothing is trained. Importing the same file under the same NAME again does nothing.

    \b
    Example:
      vision export trees-1 --endpoint https://dev.example --output models/
      vision models import trees-1 models/trees-1.onnx --endpoint https://prod.example
    """
    sidecar = metadata or file.with_suffix(".json")
    try:
        described = json.loads(sidecar.read_text("utf-8"))
    except FileNotFoundError:
        raise click.UsageError(
            f"--metadata: {sidecar} does not exist; `vision export` writes it beside the ONNX file"
        ) from None
    except ValueError:
        raise click.UsageError(f"--metadata: {sidecar} is not JSON") from None
    try:
        model = client.import_artifact(name, file, described)
    except AlreadyExists:
        model = client.get_model(name)
        if model.artifact is None or model.artifact.digest != file_digest(file):
            raise
        say("this model is already imported")
    _print_model(model, as_json)


@models.command("publish", short_help="Publish a model under a stable name")
@click.argument("published_name")
@click.argument("model_name")
@click.option(
    "--require",
    type=Requirement(),
    multiple=True,
    help="The name's gate from now on: minimum value of a metric (maximum for calibrationECE). Repeatable.",
)
@click.option("--no-require", is_flag=True, help="Remove the gate that the name has.")
@click.option("--evaluation", metavar="NAME", help="The model's evaluation that the gate judges. [default: its own metrics]")
@service_options
@json_option
def publish_model(
    client: VisionClient,
    published_name: str,
    model_name: str,
    require: tuple[tuple[str, float], ...],
    no_require: bool,
    evaluation: str | None,
    as_json: bool,
) -> None:
    """Publish model MODEL_NAME as PUBLISHED_NAME. If the name is in use, it switches to this model without downtime.

    A gate stays with the name: later models must pass it, too. If the model misses it, nothing is published and the exit code
    is 1.

    \b
    Examples:
      vision models publish trees trees-2
      vision models publish trees trees-2 --require accuracyTop1=0.9 --evaluation trees-test
    """
    if require and no_require:
        raise click.UsageError("pass either --require or --no-require")
    gate = {} if no_require else dict(require) or None
    published = client.publish_model(published_name, model_name, require=gate, evaluation=evaluation)
    if as_json:
        print_json(published.to_wire())
    else:
        say(f"{published.name!r} now answers with model {published.model_name!r}")


@models.command("history", short_help="List the models a name answered with")
@click.argument("published_name")
@service_options
@json_option
def list_history(client: VisionClient, published_name: str, as_json: bool) -> None:
    """List the models that a published name answered with, the newest first: the last 100, also if it is unpublished now.

    \b
    Example:
      vision models history trees
    """
    found = list(client.publication_history(published_name))
    if as_json:
        print_json([publication.to_wire() for publication in found])
        return
    rows = [
        (
            publication.model_name,
            f"{publication.published_date_time:%Y-%m-%d %H:%M}",
            owner_of(publication.published_by),
            publication.available,
        )
        for publication in found
    ]
    print_table(("model", "published (UTC)", "by", "exists"), rows, "")


@models.command("unpublish", short_help="Remove a published name")
@click.argument("published_name")
@service_options
def unpublish_model(client: VisionClient, published_name: str) -> None:
    """Remove a published name. The model behind it stays.

    \b
    Example:
      vision models unpublish trees
    """
    client.unpublish_model(published_name)
    say(f"{published_name!r} is no longer published")


def _training(model: Model) -> tuple[str, int, str | None, str | None, int]:
    parameters, evaluation = model.training_parameters, model.evaluation_parameters
    return (
        parameters.training_dataset_name,
        parameters.time_budget_in_hours,
        parameters.model_kind.value if parameters.model_kind else None,
        evaluation.test_dataset_name if evaluation else None,
        parameters.tiles,
    )


def _wait(client: VisionClient, name: str, timeout_seconds: float | None) -> Model:
    try:
        with progress_bar(f"training {name}") as advance:

            def show(model: Model) -> None:
                progress = model.training_progress
                if progress is None:
                    advance(0, None, model.status.value)
                else:
                    advance(progress.share, 1.0, progress.message or progress.stage)

            return client.wait_for_model(name, timeout_seconds, show)
    except KeyboardInterrupt:
        say(f"The training continues: `vision models wait {name}` waits for it, `vision models cancel {name}` cancels it.")
        raise


def _print_model(model: Model, as_json: bool) -> None:
    if as_json:
        print_json(model.to_wire())
        return
    parameters = model.training_parameters
    rows: list[tuple[str, object]] = [
        ("name", model.name),
        ("status", model.status.value),
        ("kind", parameters.model_kind.value if parameters.model_kind else None),
        ("trained from", parameters.training_dataset_name),
        ("time", _time(model)),
        *([("tiles", f"{parameters.tiles} × {parameters.tiles}")] if parameters.tiles > 1 else []),
        ("created (UTC)", f"{model.created_date_time:%Y-%m-%d %H:%M:%S}"),
    ]
    progress = model.training_progress
    if progress is not None and not model.status.final:
        rows.append(("progress", f"{progress.stage}: {progress.share:.0%}"))
    performance = model.model_performance.to_wire() if model.model_performance else {}
    if "estimate" in performance:
        rows.append(("estimate", estimate_text(performance)))
    if outlook := outlook_text(performance):
        rows.append(("more images", outlook))
    if owner := owner_of(model.managed_by):
        rows.append(("managed by", str(owner)))
    if model.artifact is not None:
        rows.append(("file", f"{model.artifact.size_bytes / 1e6:.1f} MB, SHA-256 {model.artifact.digest}"))
    if model.error is not None:
        rows.append(("error", f"{model.error.code}: {model.error.message}"))
    print_table(("", ""), rows, "")
    if model.model_performance is not None:
        click.echo()
        print_table(("metric", "value"), performance_rows(performance), "no metrics")
        click.echo()
        tags = model.model_performance.tag_performance
        metrics = list(dict.fromkeys(metric for values in tags.values() for metric in values))
        print_table(("tag", *metrics), [(tag, *(tags[tag].get(metric) for metric in metrics)) for tag in tags], "")


def _time(model: Model) -> str:
    """The time that a training took or has taken so far, and its budget: `3 min of 1 h`."""
    budget, progress = f"{model.training_parameters.time_budget_in_hours} h", model.training_progress
    if model.training_cost_in_minutes is not None:
        return f"{model.training_cost_in_minutes} min of {budget}"
    return f"at most {budget}" if progress is None else f"{duration(progress.seconds)} so far, at most {budget}"


def resolve(client: VisionClient, name: str) -> Model:
    """The model of this name, or the one behind this published name."""
    from vision_customization.customization.errors import NotFound

    try:
        return client.get_model(name)
    except NotFound:
        try:
            return client.get_model(client.get_published_model(name).model_name)
        except NotFound:
            raise VisionError(f"no model and no published name is called {name!r}: see `vision models list`") from None
