"""`vision evaluate`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vision_customization.common.errors import VisionError
from vision_customization.contract.enums import AnnotationKind
from vision_customization.contract.gate import faults, misses
from vision_customization.contract.judging_texts import threshold_text
from vision_customization.customization.cli.commands.models import resolve
from vision_customization.customization.cli.connection import service_options
from vision_customization.customization.cli.exit_code import ExitCode
from vision_customization.customization.cli.gate_argument import Requirement
from vision_customization.customization.cli.options import timeout_option
from vision_customization.customization.cli.outcomes import (
    REPORT_PICTURES,
    evaluation_report,
    images_option,
    picture_key_option,
    print_confusion,
    print_wrong,
    threshold_numbers,
    with_paths,
    worst_outcomes,
)
from vision_customization.customization.cli.output import (
    json_option,
    performance_rows,
    print_json,
    print_table,
    progress_bar,
    say,
)
from vision_customization.customization.report.pictures import Pictures

if TYPE_CHECKING:
    from vision_customization.contract.evaluations import Evaluation
    from vision_customization.customization.client.client import VisionClient


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
@timeout_option("evaluation")
@click.option("--wrong", type=click.IntRange(0), metavar="NUMBER", help="List the pictures that are wrong, the worst first.")
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    metavar="CONFIDENCE",
    help="Say what the model gets right and misses if only answers with at least this confidence count.",
)
@click.option("--tag", metavar="TAG", help="Count only this tag at the threshold; needed if images have several tags each.")
@click.option("--confusion", "show_confusion", is_flag=True, help="Show how often each label got each answer.")
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.html",
    help="Write a page with metrics, curves, the confusion matrix and the worst pictures (24, or as many as --wrong says).",
)
@images_option
@picture_key_option
@service_options
@json_option
def evaluate(
    client: VisionClient,
    model: str,
    dataset: str,
    name: str | None,
    require: tuple[tuple[str, float], ...],
    timeout_seconds: float | None,
    wrong: int | None,
    threshold: float | None,
    tag: str | None,
    show_confusion: bool,
    report: Path | None,
    images: Path | None,
    account_key: str | None,
    as_json: bool,
) -> None:
    """Evaluate MODEL (or the one behind a published name) on DATASET, and check its metrics against a gate.

    With --images, pictures are those files of the folder that have the content that was evaluated.

    \b
    Examples:
      vision evaluate trees-1 trees-test
      vision evaluate trees trees-test --require accuracyTop1=0.9 --require calibrationECE=0.1
      vision evaluate trees-1 trees-test --threshold 0.7
      vision evaluate trees-1 trees-test --wrong 20 --confusion --report trees.html --images data
    """
    if report is not None and not report.parent.is_dir():
        raise click.UsageError(f"--report: {report.parent} is not a folder")
    if tag is not None and threshold is None:
        raise click.UsageError("--tag is the tag to count at a threshold: give --threshold, too")
    found = resolve(client, model)
    model_name = found.name
    kind = found.training_parameters.model_kind
    # A classifier's metrics depend on what it is evaluated on, and so does whether a threshold needs a tag.
    ask = (require or (threshold is not None and tag is None)) and kind is not None and len(kind.annotation_kinds) > 1
    annotation_kind = client.get_dataset(dataset).annotation_kind if ask else None
    for fault in faults(dict(require), kind, annotation_kind):
        raise click.UsageError(f"--require: {fault}")
    if threshold is not None and tag is None and annotation_kind is AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION:
        raise click.UsageError(f"--threshold: images of {dataset!r} have several tags each; choose one with --tag")
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
    confusion = client.get_confusion(model_name, name) if show_confusion else None
    at = client.get_threshold(model_name, threshold, name, tag=tag, top=1) if threshold is not None else None
    worst = worst_outcomes(client, evaluation, wrong) if wrong is not None else None
    pictures = Pictures(images, account_key)
    if as_json:
        listed = {"wrong": with_paths(worst.value, pictures)} if worst is not None else {}
        cells = {"confusion": confusion.to_wire()} if confusion is not None else {}
        counts = {"atThreshold": threshold_numbers(at)} if at is not None else {}
        print_json({**evaluation.to_wire(), "passed": not missed, "missed": missed, **listed, **cells, **counts})
    else:
        print_table(("metric", "value"), performance_rows(performance), "no metrics")
        for line in missed:
            click.echo(f"missed: {line}")
        if at is not None:
            click.echo(threshold_text(at))
        if confusion is not None:
            print_confusion(confusion)
        if worst is not None:
            print_wrong(worst, pictures)
    if report is not None:
        number = REPORT_PICTURES if wrong is None else wrong
        page = evaluation_report(client, evaluation, pictures, number)
        try:
            report.write_text(page, "utf-8")
        except OSError as error:
            raise VisionError(f"{report}: can't be written: {error.strerror or error}") from None
        say(f"{report} written")
    if missed:
        click.get_current_context().exit(ExitCode.NO)
