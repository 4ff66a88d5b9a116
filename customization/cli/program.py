"""The program: its commands, and how errors become messages and exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from vision_customization.common.errors import VisionError
from vision_customization.contract.coco.streamed import DocumentChanged
from vision_customization.customization.cli.commands.check import check
from vision_customization.customization.cli.commands.compare import compare
from vision_customization.customization.cli.commands.convert import convert
from vision_customization.customization.cli.commands.datasets import datasets
from vision_customization.customization.cli.commands.drafts import drafts
from vision_customization.customization.cli.commands.evaluate import evaluate
from vision_customization.customization.cli.commands.export import export
from vision_customization.customization.cli.commands.import_project import import_project
from vision_customization.customization.cli.commands.init import init
from vision_customization.customization.cli.commands.models import models
from vision_customization.customization.cli.commands.new import new
from vision_customization.customization.cli.commands.planogram import planogram
from vision_customization.customization.cli.commands.predict import predict
from vision_customization.customization.cli.commands.products import products
from vision_customization.customization.cli.commands.studio import studio
from vision_customization.customization.cli.exit_code import ExitCode
from vision_customization.customization.cli.output import say
from vision_customization.customization.errors import (
    BatchPredictionFailed,
    ConversionFailed,
    DatasetInvalid,
    EvaluationFailed,
    GateMissed,
    RecognitionFailed,
    TrainingFailed,
)

ANSWERS = (
    DatasetInvalid,
    ConversionFailed,
    TrainingFailed,
    EvaluationFailed,
    RecognitionFailed,
    BatchPredictionFailed,
    GateMissed,
)
"""Errors that report a failed check, not a failure of the service: exit code 1."""


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="vision-customization", prog_name="vision")
def vision() -> None:
    """Your own image models: check and convert labelled images, register datasets, train, evaluate, predict, export.

    \b
    From photos to a published model, in a Pulumi program:
      vision init trees && cd trees && vision new trees --images ../photos
      pulumi up
      vision predict trees holiday/*.jpg

    \b
    The same step by step, without Pulumi:
      vision convert photos --from folders --output data --copy-images --test-share 0.2
      vision check data/train.json
      vision datasets register trees data/train.json --container http://127.0.0.1:10000/local/training
      vision models train trees-1 --dataset trees
      vision predict trees-1 holiday/*.jpg

    Name the service by --endpoint and --key or by VISION_ENDPOINT and VISION_KEY; by default it is the current Pulumi stack's.

    Exit codes: 0 success; 1 a check failed (violations, gate missed, training failed); 2 usage error; 3 service, storage or
    network error; 130 interrupted.
    """


for command in (
    init, new, check, convert, import_project, datasets, drafts, models, evaluate, compare, predict, products, planogram,
    export, studio,
):  # fmt: skip
    vision.add_command(command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `vision`, and exit."""
    try:
        code = vision.main(args=arguments, prog_name="vision", standalone_mode=False)
    except click.exceptions.Exit as error:
        code = error.exit_code
    except click.ClickException as error:
        error.show()
        code = ExitCode.USAGE
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted. Nothing was left half-written; run the same command again to continue.", err=True)
        code = ExitCode.INTERRUPTED
    except (VisionError, DocumentChanged) as error:
        say(f"Error: {error}")
        code = ExitCode.NO if isinstance(error, ANSWERS) else ExitCode.FAILED
    except BrokenPipeError:
        # The reader closed the pipe; discard what is still buffered.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = ExitCode.DONE
    sys.exit(code if isinstance(code, int) else ExitCode.DONE)
