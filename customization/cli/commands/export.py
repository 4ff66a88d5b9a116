"""`vision export`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vision_customization.customization.cli.commands.models import resolve
from vision_customization.customization.cli.connection import service_options
from vision_customization.customization.cli.output import json_option, print_json, progress_bar

if TYPE_CHECKING:
    from vision_customization.customization.client.client import VisionClient


@click.command(short_help="Download a model as an ONNX file")
@click.argument("model")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="The ONNX file to write, or a folder for it. [default: MODEL.onnx in the current folder]",
)
@service_options
@json_option
def export(client: VisionClient, model: str, output: Path | None, as_json: bool) -> None:
    """Download MODEL (or the one behind a published name) as an ONNX file.

    Its input is an image. A classifier outputs probabilities; a detector outputs boxes, scores and classes (docs/learning.md,
    "Detectors", uses it in ten lines). A JSON file beside it has labels, preprocessing, metrics, and what the model was trained
    from. The ONNX file is written only if it is complete and has the digest that the service reports.

    \b
    Examples:
      vision export trees-1
      vision export trees --output models/
    """
    model_name = resolve(client, model).name
    path = output or Path()
    if output is not None and not output.suffix:
        output.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        path /= f"{model_name}.onnx"
    if not path.parent.is_dir():
        raise click.UsageError(f"--output: {path.parent} is not a folder")
    sidecar = path.with_suffix(".json")
    if sidecar.exists() and not _is_sidecar(sidecar):
        raise click.UsageError(
            f"--output: the model's metadata would overwrite {sidecar}, which `vision export` did not write: name another file"
        )
    if path.exists() and path != output and not sidecar.exists():  # we chose the name
        raise click.UsageError(f"--output: {path} already exists and has no metadata beside it: name another file")
    metadata = client.artifact_metadata(model_name)
    with progress_bar(f"downloading {model_name}") as advance:
        artifact = client.download_artifact(model_name, path, lambda done, total: advance(done, total, ""))
    sidecar.write_text(json.dumps(metadata, ensure_ascii=False, indent=2) + "\n", "utf-8")
    if as_json:
        print_json({"model": model_name, "onnx": str(path), "metadata": str(sidecar), **artifact.to_wire()})
    else:
        click.echo(f"{path}: {artifact.size_bytes / 1e6:.1f} MB, SHA-256 {artifact.digest}")
        click.echo(f"{sidecar}: {', '.join(metadata)}")


def _is_sidecar(file: Path) -> bool:
    """Whether a JSON file was written by an export."""
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and {"artifact", "labels"} <= content.keys()
