"""Prints a stack's outputs: endpoint, datasets, models with their metrics, and commands to paste.

The key itself is never printed: the commands read it from the stack.
"""

from __future__ import annotations

import json
import os
import shlex
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]
from rich.console import Console
from rich.table import Table

from toolchain.launcher import PROXIES
from toolchain.places import Places
from toolchain.stacks.local_state import stack_file

PROJECT = "vision-customization"
API_VERSION = "2023-04-01-preview"
# Model kinds that answer with boxes.
DETECTORS = ("Generic-Detector", "Product-Recognizer")
# The metrics of a model that fit on one line.
METRICS = ("accuracyTop1", "calibrationECE", "meanAveragePrecision50", "meanAveragePrecision75", "meanAveragePrecision")


CONTACT_SHEET = "contact-sheet.html"
"""The page that `vision new` draws beside the labels."""


def evaluation_dataset(places: Places, stack: str, model: str) -> dict[str, Any]:
    """The dataset that a model is evaluated on, as the stack's file has it; empty if it has none."""
    try:
        config = yaml.safe_load(stack_file(places, stack).read_text("utf-8"))["config"]
        return dict(config[f"{PROJECT}:datasets"][config[f"{PROJECT}:models"][model]["evaluationDataset"]])
    except (OSError, ValueError, LookupError, TypeError, yaml.YAMLError):
        return {}


def contact_sheet(places: Places, stack: str, model: str) -> Path | None:
    """The page that shows a model's images with their labels."""
    source = evaluation_dataset(places, stack, model).get("source")
    sheet = places.checkout / source / CONTACT_SHEET if isinstance(source, str) else None
    return sheet if sheet is not None and sheet.is_file() else None


def image_to_try(places: Places, stack: str, model: str) -> Path | None:
    """An image of the dataset that a model is evaluated on, relative to the checkout: the one with the most labels."""
    dataset = evaluation_dataset(places, stack, model)
    try:
        folder = Path(dataset["source"])
        document = json.loads((places.checkout / folder / dataset["annotationFiles"][0]).read_text("utf-8"))
        [(labelled, _)] = Counter(annotation["image_id"] for annotation in document["annotations"]).most_common(1)
        [image] = [image for image in document["images"] if image["id"] == labelled]
        return folder / str(image["file_name"])
    except (OSError, ValueError, LookupError, TypeError):
        return None


def published_name(model: Mapping[str, Any]) -> str:
    """The name for calls to a model: its published name if it has one, else its own."""
    return str(model.get("publishedName") or model["name"])


def curl(endpoint: str, model_name: str, image: Path | str, stack: str) -> str:
    """A shell command that analyzes an image, to be run in the checkout."""
    direct = " --noproxy 127.0.0.1" if any(os.environ.get(name) for name in PROXIES) and "//127." in endpoint else ""
    url = f"{endpoint.rstrip('/')}/computervision/imageanalysis:analyze?api-version={API_VERSION}&model-name={model_name}"
    return " \\\n  ".join(
        [
            f"curl{direct} {shlex.quote(url)}",
            f'-H "Ocp-Apim-Subscription-Key: $(.venv/bin/pulumi stack output key --show-secrets --stack {shlex.quote(stack)})"',
            "-H 'Content-Type: application/octet-stream'",
            f"--data-binary @{shlex.quote(str(image))}",
        ]
    )


def draw_command(model_name: str, image: Path | str, stack: str) -> str:
    """A shell command that analyzes an image and draws the more confident boxes, to be run in the checkout."""
    arguments = [".venv/bin/vision", "predict", model_name, str(image), "--draw", "boxes.png", "--threshold", "0.5"]
    return shlex.join([*arguments, "--stack", stack])


def studio_command(stack: str) -> str:
    """A shell command that opens the Studio in a browser, signed in, to be run in the checkout."""
    return "make studio" if stack == "local" else shlex.join(["make", "studio", f"STACK={stack}"])


def performance_text(performance: Mapping[str, Any] | None) -> str:
    """`accuracyTop1 0.983, averagePrecision 0.997`."""
    figures = {name: value for name, value in (performance or {}).items() if isinstance(value, (int, float))}
    return ", ".join(f"{name} {figures[name]:.3f}" for name in METRICS if name in figures)


def datasets_table(datasets: Mapping[str, Mapping[str, Any]]) -> Table:
    table = Table("dataset", "images", "tags", box=None, pad_edge=False, title_justify="left")
    for name, dataset in datasets.items():
        tags = dataset.get("tags") or {}
        counted = (
            ", ".join(f"{tag} {count:g}" for tag, count in tags.items())
            if isinstance(tags, dict)
            else ", ".join(map(str, tags))
        )
        images = dataset.get("images")
        # A dataset in blob storage is not read here.
        table.add_row(str(dataset.get("name", name)), "–" if images is None else f"{images:g}", counted)
    return table


def models_table(models: Mapping[str, Mapping[str, Any]]) -> Table:
    table = Table("model", "published as", "status", "on the test dataset", "training", box=None, pad_edge=False)
    for name, model in models.items():
        minutes = model.get("trainingMinutes")
        table.add_row(
            str(model.get("name", name)),
            str(model.get("publishedName") or "–"),
            str(model.get("status", "")),
            performance_text(model.get("performance")),
            "" if minutes is None else f"{minutes:g} min",
        )
    return table


def show(outputs: Mapping[str, Any], places: Places, stack: str, console: Console | None = None) -> None:
    """Print a stack's outputs, given as by `pulumi stack output --json`."""
    console = console or Console()
    endpoint = str(outputs.get("endpoint", ""))
    models = outputs.get("models") or {}
    console.print()
    for table in (datasets_table(outputs.get("datasets") or {}), models_table(models)):
        if table.row_count:
            console.print(table)
            console.print()
    console.print(f"Endpoint  {endpoint}", highlight=False)
    for declared in models:
        if sheet := contact_sheet(places, stack, declared):
            console.out(f"Contact sheet of {declared}  {sheet.resolve().as_uri()}", highlight=False)
    for declared, model in [(declared, model) for declared, model in models.items() if model.get("name")][:1]:
        name = published_name(model)
        image = image_to_try(places, stack, declared) or "image.jpg"
        console.print("\nTry it:\n", highlight=False)
        # Not through rich, which would break its lines and read brackets as markup.
        console.out(curl(endpoint, name, image, stack), highlight=False)
        if model.get("kind") in DETECTORS:
            console.print(
                "\nThe answer includes boxes of low confidence. This command draws the more confident ones:\n", highlight=False
            )
            console.out(draw_command(name, image, stack), highlight=False)
    if studio := outputs.get("studio"):
        console.out(f"\nLook at it, and try your own pictures: {studio}", highlight=False)
        console.out(f"{studio_command(stack)} opens it, signed in.", highlight=False)
