"""`vision compare`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vision_customization.common.errors import VisionError
from vision_customization.contract.enums import AnnotationKind
from vision_customization.contract.texts import counted
from vision_customization.customization.cli.commands.predict import analyze_all
from vision_customization.customization.cli.connection import service_options
from vision_customization.customization.cli.exit_code import ExitCode
from vision_customization.customization.cli.output import json_option, print_json, print_table, progress_bar, say
from vision_customization.customization.errors import BadRequest

if TYPE_CHECKING:
    from vision_customization.customization.client.client import VisionClient
    from vision_customization.customization.customvision.baseline import Baseline
    from vision_customization.customization.customvision.comparison import Comparison
    from vision_customization.customization.customvision.scores import Found, Score

_METRICS = ("precision", "recall", "average_precision")
_SHOWN = 3

TRAINING = "train.json"
"""Where an import writes the images to train on; its file of those to test on is the one to compare on."""


@click.command(short_help="Compare a model with Custom Vision's")
@click.argument("baseline_file", metavar="BASELINE", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("model")
@click.option(
    "--images",
    "labels_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The COCO file of the images to compare on, beside them. [default: test.json beside BASELINE, else train.json]",
)
@service_options
@json_option
def compare(client: VisionClient, baseline_file: Path, model: str, labels_file: Path | None, as_json: bool) -> None:
    """Compare MODEL (or the one behind a published name) with the iteration of Custom Vision in BASELINE.

    BASELINE is the file baseline.json of `vision import customvision`. Both are scored on the same images, if Custom Vision had
    predictions for them; else its own metrics are shown. Images that can't be compared are listed.

    \b
    Examples:
      vision compare chairs/baseline.json chairs
      vision compare chairs/baseline.json chairs --images chairs/test.json --json
    """
    from vision_customization.customization.customvision.baseline import read_baseline
    from vision_customization.customization.customvision.comparison import compare as compare_with
    from vision_customization.customization.customvision.comparison import compared_images, read_labels

    baseline = read_baseline(baseline_file)
    labels_file = labels_file or _labels_beside(baseline_file)
    labels = read_labels(labels_file)
    names, _ = compared_images(baseline, labels)
    if not names:
        raise VisionError(f"{labels_file}: lists no images")
    with progress_bar("analyzing") as advance:
        answers = analyze_all(
            names, lambda name: _find(client, model, labels_file.parent / name), lambda done: advance(done, len(names), "")
        )
    found = {name: answer for name, answer in zip(names, answers, strict=True) if not isinstance(answer, str)}
    failed = {name: answer for name, answer in zip(names, answers, strict=True) if isinstance(answer, str)}
    comparison = compare_with(baseline, labels, found, failed)
    if as_json:
        print_json(_as_json(baseline, model, comparison))
    else:
        _print_comparison(baseline, model, comparison)
    if labels_file.name == TRAINING:
        say(f"The model may have been trained on the images of {labels_file}: its scores are those of images that it knows")
    if failed:
        click.get_current_context().exit(ExitCode.NO)


def _labels_beside(baseline_file: Path) -> Path:
    for name in ("test.json", TRAINING):
        if (path := baseline_file.with_name(name)).is_file():
            return path
    raise click.UsageError(f"{baseline_file.parent} has neither test.json nor train.json: name a COCO file with --images")


def _find(client: VisionClient, model: str, path: Path) -> list[Found] | str:
    """What the model finds in an image, or an error that concerns this image alone."""
    from vision_customization.customization.customvision.comparison import found_by

    try:
        return found_by(client.analyze(model, path.read_bytes()))
    except BadRequest as error:
        return error.message
    except OSError as error:
        return f"can't be read: {error.strerror}"


def _print_comparison(baseline: Baseline, model: str, comparison: Comparison) -> None:
    title = _title(baseline)
    columns = ("tag", "labels", *(f"{name} {who}" for name in ("precision", "recall", "AP") for who in ("CV", "ours")))
    rows = [(tag, *_cells(*pair)) for tag, pair in comparison.tags.items()]
    print_table(columns, [*rows, ("all tags", *_cells(*comparison.overall))], "no tags")
    thresholds = f"probability {baseline.probability_threshold:g}"
    if baseline.annotation_kind == AnnotationKind.IMAGE_OBJECT_DETECTION:
        thresholds += f", overlap {baseline.overlap_threshold:g}"
    count = counted(len(comparison.images), "image")
    if comparison.same_images:
        click.echo(f"CV: {title}; ours: model '{model}'; both on the same {count} ({thresholds})")
    else:
        click.echo(f"CV: {title}, as Custom Vision measured it on images of its own choice ({thresholds})")
        click.echo(f"ours: model '{model}' on {count}. These are not the same images: compare with care")
    by_reason: dict[str, list[str]] = {}
    for name, reason in comparison.left_out.items():
        by_reason.setdefault(reason, []).append(name)
    for reason, names in by_reason.items():
        more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
        say(f"{counted(len(names), 'image')} left out: {reason}: {', '.join(names[:_SHOWN])}{more}")


def _title(baseline: Baseline) -> str:
    if baseline.iteration is None:
        return f"project '{baseline.project_name}', which has no trained iteration"
    return f"iteration '{baseline.iteration.name}' of project '{baseline.project_name}'"


def _cells(theirs: Score | None, ours: Score | None) -> tuple[object, ...]:
    pairs = ((getattr(theirs, metric, None), getattr(ours, metric, None)) for metric in _METRICS)
    return (ours.labels if ours is not None else None, *(value for pair in pairs for value in pair))


def _as_json(baseline: Baseline, model: str, comparison: Comparison) -> dict[str, Any]:
    iteration = baseline.iteration

    def pair(theirs: Score | None, ours: Score | None) -> dict[str, Any]:
        return {"customVision": _metrics(theirs), "model": _metrics(ours), "labels": ours.labels if ours else 0}

    return {
        "project": baseline.project_name,
        "iteration": iteration.name if iteration is not None else None,
        "model": model,
        "sameImages": comparison.same_images,
        "images": list(comparison.images),
        "probabilityThreshold": baseline.probability_threshold,
        "overlapThreshold": baseline.overlap_threshold,
        "overall": pair(*comparison.overall),
        "tags": {tag: pair(*scores) for tag, scores in comparison.tags.items()},
        "leftOut": [{"image": name, "reason": reason} for name, reason in comparison.left_out.items()],
    }


def _metrics(score: Score | None) -> Mapping[str, float | None] | None:
    if score is None:
        return None
    return {"precision": score.precision, "recall": score.recall, "averagePrecision": score.average_precision}
