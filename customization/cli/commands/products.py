"""`vision products`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vision_customization.customization.cli.connection import service_options
from vision_customization.customization.cli.image_argument import is_url, without_query
from vision_customization.customization.cli.options import timeout_option
from vision_customization.customization.cli.output import confirm, json_option, print_json, print_table, progress_bar, say

if TYPE_CHECKING:
    from vision_customization.contract.analysis import DetectedObject
    from vision_customization.contract.products import ProductRecognitionRun
    from vision_customization.customization.client.client import VisionClient


@click.group(short_help="Find products and gaps on shelves")
def products() -> None:
    """Products on shelves: what a detector finds in a photo, and where there are gaps."""


@products.command("run", short_help="Look for products and gaps in an image")
@click.argument("model")
@click.argument("image")
@click.option("--name", help="The run's name. [default: the time]")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Whether to wait for the result.")
@timeout_option("run")
@service_options
@json_option
def run_products(
    client: VisionClient,
    model: str,
    image: str,
    name: str | None,
    wait: bool,
    timeout_seconds: float | None,
    as_json: bool,
) -> None:
    """Find products in IMAGE with MODEL (or the one behind a published name): a file, or a URL that the service can read.

    The service keeps the run and its result until you delete them. The exit code is 1 if the run fails.

    \b
    Examples:
      vision products run shelves shop/aisle-3.jpg
      vision products run shelves shop/aisle-3.jpg --json > aisle-3.json
    """
    name = name or f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
    run = client.recognize_products(model, name, _image(image))
    if wait:
        try:
            with progress_bar(f"looking at {without_query(image)}") as advance:

                def show(seen: ProductRecognitionRun) -> None:
                    advance(0, None, seen.status.value)

                run = client.wait_for_run(run.model_name, name, timeout_seconds, show)
        except KeyboardInterrupt:
            say(f"The run continues: `vision products show {run.model_name} {name}` shows its result.")
            raise
    else:
        say(f"The run was started. `vision products show {run.model_name} {name}` shows its result.")
    _print_run(run, as_json)


@products.command("list", short_help="List a model's runs")
@click.argument("model")
@service_options
@json_option
def list_products(client: VisionClient, model: str, as_json: bool) -> None:
    """List the runs of MODEL.

    \b
    Example:
      vision products list shelves
    """
    found = list(client.list_runs(model))
    if as_json:
        print_json([run.to_wire() for run in found])
        return
    rows = [
        (
            run.run_name,
            run.status.value,
            len(run.result.products) if run.result else None,
            len(run.result.gaps) if run.result else None,
            f"{run.created_date_time:%Y-%m-%d %H:%M}",
        )
        for run in found
    ]
    print_table(
        ("name", "status", "products", "gaps", "created (UTC)"), rows, "There is no run. Start one with `vision products run`."
    )


@products.command("show", short_help="Show one run")
@click.argument("model")
@click.argument("name")
@service_options
@json_option
def show_products(client: VisionClient, model: str, name: str, as_json: bool) -> None:
    """Show the run NAME of MODEL: its status, or what it found.

    \b
    Example:
      vision products show shelves 20260113T204620189000 --json
    """
    _print_run(client.get_run(model, name), as_json)


@products.command("delete", short_help="Delete a run that has ended")
@click.argument("model")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@service_options
def delete_products(client: VisionClient, model: str, name: str, yes: bool) -> None:
    """Delete the run NAME of MODEL and its result. The run must have ended.

    \b
    Example:
      vision products delete shelves 20260113T204620189000 --yes
    """
    confirm(f"Delete run {name!r} of model {model!r}?", yes)
    client.delete_run(model, name)
    say(f"run {name!r} is deleted")


def _image(image: str) -> bytes | str:
    if is_url(image):
        return image
    try:
        return Path(image).read_bytes()
    except OSError as error:
        raise click.UsageError(f"{image}: can't be read: {error.strerror}") from None


def _print_run(run: ProductRecognitionRun, as_json: bool) -> None:
    if as_json:
        print_json(run.to_wire())
        return
    say(f"run {run.run_name!r} of model {run.model_name!r}: {run.status.value}")
    if run.error is not None:
        say(f"{run.error.code}: {run.error.message}")
    if run.result is not None:
        rows = [_row(found) for found in (*run.result.products, *run.result.gaps)]
        print_table(("id", "what", "confidence", "box (x, y, w, h)", "alternatives"), rows, "(nothing)")


def _row(found: DetectedObject) -> tuple[object, ...]:
    box = found.bounding_box
    first, *others = found.tags
    alternatives = ", ".join(f"{tag.name} {tag.confidence:.3f}" for tag in others)
    return found.id, first.name, first.confidence, f"{box.x}, {box.y}, {box.w}, {box.h}", alternatives
