"""`vision datasets label-issues`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from vision_customization.contract.outcome_texts import labelled
from vision_customization.contract.outcomes import LabelIssues
from vision_customization.contract.texts import counted
from vision_customization.customization.cli.connection import service_options
from vision_customization.customization.cli.outcomes import images_option, pages, shown_path, with_paths
from vision_customization.customization.cli.output import json_option, print_json, print_table, say
from vision_customization.customization.report.pictures import Pictures

if TYPE_CHECKING:
    from vision_customization.contract.outcomes import Outcome
    from vision_customization.customization.client.client import VisionClient


@click.command("label-issues", short_help="List images with likely wrong labels")
@click.argument("name")
@click.option("--model", metavar="NAME", help="A model that was trained from the dataset. [default: the newest one]")
@click.option("--top", type=click.IntRange(1), default=20, show_default=True, help="How many images to list.")
@images_option
@service_options
@json_option
def label_issues(client: VisionClient, name: str, model: str | None, top: int, images: Path | None, as_json: bool) -> None:
    """List the images of dataset NAME whose labels are least probable, and mark those that are likely wrong. Nothing is
    changed.

    The probabilities come from the training of a classifier, which estimates each image by one that had not seen it. The labels
    are those of that training.

    \b
    Examples:
      vision datasets label-issues trees
      vision datasets label-issues trees --images data --json | jq -r '.value[] | select(.likelyLabels).path'
    """

    def read(skip: int, count: int) -> LabelIssues:
        nonlocal model
        page = client.get_label_issues(name, model_name=model, skip=skip, top=count)
        model = page.model_name  # of the following pages, too, even if a newer one is trained meanwhile
        return page

    issues, pictures = cast("LabelIssues", pages(read, top)), Pictures(images)
    if as_json:
        print_json({**issues.to_wire(), "value": with_paths(issues.value, pictures)})
        return
    rows = [(shown_path(outcome, pictures), labelled(outcome), _likely(outcome), _shares(outcome)) for outcome in issues.value]
    print_table(("picture", "labels", "likely", "probabilities"), rows, "The dataset has no image.")
    of = f"{counted(issues.count, 'image')} that model {issues.model_name!r} was estimated on"
    click.echo(f"{issues.likely:,} of {of} likely have wrong labels")
    if images is None:
        say("Look at them before you change a label. With --images FOLDER, the paths of your own files are listed.")


def _likely(outcome: Outcome) -> str | None:
    if outcome.likely_labels is None:
        return None
    return ", ".join(outcome.likely_labels) or "(no tag)"


def _shares(outcome: Outcome) -> str:
    """The best tags, and the image's own."""
    tags, labels = outcome.tags or [], outcome.labels or []
    shown = [tag for index, tag in enumerate(tags) if index < 2 or tag.name in labels]
    return ", ".join(f"{tag.name} {tag.confidence:.2f}" for tag in shown)
