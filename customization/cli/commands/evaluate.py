"""`vision evaluate`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from vision_customization.contract.gate import faults, misses
from vision_customization.customization.cli.commands.models import resolve
from vision_customization.customization.cli.connection import service_options
from vision_customization.customization.cli.exit_code import ExitCode
from vision_customization.customization.cli.output import (
    json_option,
    performance_rows,
    print_json,
    print_table,
    progress_bar,
    say,
)

if TYPE_CHECKING:
    from vision_customization.contract.evaluations import Evaluation
    from vision_customization.customization.client.client import VisionClient


class Requirement(click.ParamType[tuple[str, float]]):
    """`accuracyTop1=0.9`."""

    name = "metric=value"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, float]:
        metric, _, text = str(value).partition("=")
        try:
            threshold = float(text)
        except ValueError:
            self.fail(f"{value!r}: must be like accuracyTop1=0.9", param, ctx)
        for fault in faults({metric: threshold}):
            self.fail(fault, param, ctx)
        return metric, threshold


@click.command(short_help="Evaluate a model, check it against a gate")
@click.argument("model")
@click.argument("dataset")
@click.option("--name", help="The evaluation's name. [default: dataset and time]")
@click.option(
    "--require",
    type=Requirement(),
    multiple=True,
    help="Minimum value of a metric (maximum for calibrationECE). Repeatable; exit code 1 if any is missed.",
)
@click.option(
    "--timeout",
    "timeout_seconds",
    type=click.FloatRange(0),
    metavar="SECONDS",
    help="Stop waiting after SECONDS; the evaluation continues.",
)
@service_options
@json_option
def evaluate(
    client: VisionClient,
    model: str,
    dataset: str,
    name: str | None,
    require: tuple[tuple[str, float], ...],
    timeout_seconds: float | None,
    as_json: bool,
) -> None:
    """Evaluate MODEL (or the one behind a published name) on DATASET, and check its metrics against a gate.

    \b
    Examples:
      vision evaluate trees-1 trees-test
      vision evaluate trees trees-test --require accuracyTop1=0.9 --require calibrationECE=0.1
    """
    found = resolve(client, model)
    model_name = found.name
    kind = found.training_parameters.model_kind
    # A classifier's metrics depend on what it is evaluated on.
    ask = require and kind is not None and len(kind.annotation_kinds) > 1
    annotation_kind = client.get_dataset(dataset).annotation_kind if ask else None
    for fault in faults(dict(require), kind, annotation_kind):
        raise click.UsageError(f"--require: {fault}")
    name = name or f"{dataset}-{datetime.now(UTC):%Y%m%dT%H%M%S}"
    client.create_evaluation(model_name, name, test_dataset_name=dataset)
    try:
        with progress_bar(f"evaluating {model_name}") as advance:

            def show(evaluation: Evaluation) -> None:
                advance(0, None, evaluation.status.value)

            evaluation = client.wait_for_evaluation(model_name, name, timeout_seconds, show)
    except KeyboardInterrupt:
        say(f"The evaluation {name!r} continues.")
        raise
    performance = evaluation.model_performance.to_wire() if evaluation.model_performance else {}
    missed = misses(performance, dict(require))
    if as_json:
        print_json({**evaluation.to_wire(), "passed": not missed, "missed": missed})
    else:
        print_table(("metric", "value"), performance_rows(performance), "no metrics")
        for line in missed:
            click.echo(f"missed: {line}")
    if missed:
        click.get_current_context().exit(ExitCode.NO)
