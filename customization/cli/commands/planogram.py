"""`vision planogram`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from vision_customization.contract.texts import counted
from vision_customization.customization.cli.connection import service_options
from vision_customization.customization.cli.output import json_option, print_json, print_table, say

if TYPE_CHECKING:
    from vision_customization.contract.wire import Wire
    from vision_customization.customization.client.client import VisionClient

    Kind = TypeVar("Kind", bound=Wire)

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group(short_help="Compare found products with a planogram")
def planogram() -> None:
    """Planograms: which product should be where on a shelf."""


@planogram.command("match", short_help="Match a run against a planogram")
@click.argument("recognized", type=FILE)
@click.argument("plan", type=FILE)
@service_options
@json_option
def match_planogram(client: VisionClient, recognized: Path, plan: Path, as_json: bool) -> None:
    """List the planogram positions where the expected product was found.

    RECOGNIZED is the JSON that `vision products run --json` printed; PLAN is the planogram, also a JSON file.

    \b
    Example:
      vision products run shelves shop/aisle-3.jpg --json > aisle-3.json
      vision planogram match aisle-3.json plan.json
    """
    from vision_customization.contract.products import Planogram, ProductRecognitionResult

    result = _read(recognized, ProductRecognitionResult, "result")
    wanted = _read(plan, Planogram, "planogram")
    matched = client.match_planogram(result, wanted)
    if as_json:
        print_json(matched.to_wire())
        return
    found = {one.position_id: one.detected_object for one in matched.matching_result_per_position}
    names = {product.id: product.name for product in wanted.products}
    rows = []
    for position in wanted.positions:
        seen = found.get(position.id)
        rows.append((position.id, names.get(position.product_id, position.product_id), seen.id if seen else "missing"))
    print_table(("position", "product", "found as"), rows, "The planogram has no positions.")
    missing = sum(found.get(position.id) is None for position in wanted.positions)
    say(f"{len(rows) - missing} of {counted(len(rows), 'position')} as planned")


def _read(file: Path, kind: type[Kind], key: str) -> Kind:
    """The object in a JSON file, either the whole document or its value under `key`."""
    try:
        document: Any = json.loads(file.read_text("utf-8"))
    except ValueError:
        raise click.UsageError(f"{file} is not JSON") from None
    if isinstance(document, dict):
        document = {name.casefold(): value for name, value in document.items()}.get(key, document)
    try:
        return kind.model_validate(document)
    except ValueError as error:
        raise click.UsageError(f"{file} is not a {kind.__name__} of the contract: {_first(error)}") from None


def _first(error: ValueError) -> str:
    """The place of the first fault, and its message."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return str(error)
    fault = error.errors()[0]
    place = ".".join(str(part) for part in fault["loc"])
    return f"{place}: {fault['msg']}" if place else fault["msg"]
