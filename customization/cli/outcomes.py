"""Outcomes at the terminal: wrong pictures, the confusion matrix, and the page about an evaluation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vision_customization.contract.judging import AtThreshold, ThresholdPage
from vision_customization.contract.outcome_texts import answered, counted_from, labelled, picture_name
from vision_customization.contract.outcomes import OUTCOMES_PAGE_MAX, Confusion, Outcome, OutcomeFilter, OutcomePage
from vision_customization.contract.texts import counted
from vision_customization.customization.cli.options import account_key_option
from vision_customization.customization.cli.output import performance_rows, print_table, progress_bar, say

if TYPE_CHECKING:
    from vision_customization.contract.evaluations import Evaluation
    from vision_customization.customization.client.client import VisionClient
    from vision_customization.customization.report.pictures import Pictures

REPORT_PICTURES = 24
MATRIX_TAGS = 20
"""A matrix of more tags does not fit a terminal: the most frequent mistakes are listed instead."""
MISTAKES = 40

images_option = click.option(
    "--images",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Where the pictures are on this machine: lists their paths, and reads them from there.",
)
picture_key_option = account_key_option(
    "The storage account's key, to read pictures without --images. By default, your Entra identity reads them."
)


def pages(read: Callable[[int, int], OutcomePage], number: int) -> OutcomePage:
    """The first `number` outcomes. `read(skip, top)` returns one page of them."""
    first = read(0, max(1, min(number, OUTCOMES_PAGE_MAX)))
    value = first.value[:number]
    while len(value) < min(number, first.count):
        following = read(len(value), min(number - len(value), OUTCOMES_PAGE_MAX)).value
        if not following:
            break
        value += following
    return first.model_copy(update={"value": value})


def worst_outcomes(client: VisionClient, evaluation: Evaluation, number: int) -> OutcomePage:
    """The outcomes of the `number` worst pictures of those that are wrong."""
    model, name = evaluation.model_name, evaluation.name
    return pages(lambda skip, top: client.get_outcomes(model, name, only=OutcomeFilter.WRONG, skip=skip, top=top), number)


def shown_path(outcome: Outcome, pictures: Pictures) -> str:
    """The picture's file on this machine if it is there, else its name in the dataset."""
    return str(pictures.path(outcome) or picture_name(outcome))


def with_paths(outcomes: Sequence[Outcome], pictures: Pictures) -> list[dict[str, Any]]:
    """The outcomes as JSON values, each with its `path`."""
    return [{**outcome.to_wire(), "path": shown_path(outcome, pictures)} for outcome in outcomes]


def print_wrong(worst: OutcomePage, pictures: Pictures) -> None:
    rows = [(shown_path(outcome, pictures), labelled(outcome), answered(outcome)) for outcome in worst.value]
    if rows:
        print_table(("picture", "labels", "answer"), rows, "")
    shown = f"; the worst {len(rows):,} are shown" if len(rows) < worst.count else ""
    click.echo(f"{counted(worst.count, 'wrong picture')}{shown}" if worst.count else "no picture is wrong")
    if worst.threshold is not None:
        click.echo(counted_from(worst.threshold))


def print_confusion(confusion: Confusion) -> None:
    """Labels as rows and answers as columns; of many tags the most frequent mistakes."""
    if len(confusion.tags) > MATRIX_TAGS:
        mistakes = [cell for cell in confusion.cells if cell.label != cell.answer]
        mistakes.sort(key=lambda cell: -cell.count)
        listed = [(cell.label or "(no label)", cell.answer or "(not found)", cell.count) for cell in mistakes[:MISTAKES]]
        print_table(("label", "answer", "count"), listed, "no mistakes")
        if len(mistakes) > MISTAKES:
            click.echo(f"… and {counted(len(mistakes) - MISTAKES, 'rarer mistake')}")
        return
    counts = {(cell.label, cell.answer): cell.count for cell in confusion.cells}
    labels: list[str | None] = list(confusion.tags)
    answers = labels.copy()
    if any(label is None for label, _ in counts):
        labels.append(None)
    if any(answer is None for _, answer in counts):
        answers.append(None)
    columns = ("label \\ answer", *(answer or "(not found)" for answer in answers))
    rows = [(label or "(no label)", *(counts.get((label, answer), 0) for answer in answers)) for label in labels]
    print_table(columns, rows, "no tags")


def threshold_numbers(page: ThresholdPage) -> dict[str, Any]:
    """What counts at a threshold, as JSON values without the page's outcomes."""
    return AtThreshold.model_validate(page.model_dump()).to_wire()


def evaluation_report(client: VisionClient, evaluation: Evaluation, pictures: Pictures, number: int) -> str:
    """The page about an evaluation, with its `number` worst pictures, as HTML."""
    from vision_customization.customization.report.page import WorstPicture, evaluation_page
    from vision_customization.customization.report.pictures import PictureUnreadable

    def read(outcome: Outcome) -> WorstPicture:
        try:
            return WorstPicture(outcome, pictures.read(outcome))
        except PictureUnreadable as error:
            return WorstPicture(outcome, str(error))

    model, name = evaluation.model_name, evaluation.name
    worst = worst_outcomes(client, evaluation, number)
    shown = []
    with progress_bar("reading pictures") as advance:
        for outcome in worst.value:
            shown.append(read(outcome))
            advance(len(shown), len(worst.value), "")
    if unread := sum(isinstance(picture.picture, str) for picture in shown):
        of = counted(len(shown), "picture")
        say(f"{unread} of {of} can't be shown; the page says why. --images FOLDER shows your own files.")
    performance: dict[str, Any] = evaluation.model_performance.to_wire() if evaluation.model_performance else {}
    dataset = evaluation.evaluation_parameters.test_dataset_name
    return evaluation_page(
        f"{model} on {dataset}",
        [f"Evaluation {name} of {evaluation.created_date_time:%Y-%m-%d %H:%M} UTC."],
        dict(performance_rows(performance)),
        client.get_confusion(model, name),
        client.get_curves(model, name),
        shown,
        worst.count,
    )
