"""`vision init`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(short_help="Make a Pulumi program of your own")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=".")
@click.option("--name", help="The project's name. [default: the folder's]")
def init(folder: Path, name: str | None) -> None:
    """Make a Pulumi program in FOLDER (by default the current one) around the installed package.

    It writes Pulumi.yaml, __main__.py, which starts storage and engine on this machine and declares what the stack's file
    lists, an empty stack's file Pulumi.local.yaml, requirements.txt and .gitignore. `vision new` adds a model of your images to
    the stack's file. Existing files are never overwritten.

    \b
    Examples:
      vision init
      vision init leaves && cd leaves && vision new oak-or-beech --images ../my-images
    """
    from vision_customization.customization.program.new_program import STACK, project_name, write_program

    for file in write_program(folder, name or project_name(folder)):
        click.echo(f"{folder / file}")
    steps = [
        *([f"cd {folder}"] if folder != Path() else []),
        "vision new NAME --images FOLDER     # your images, as a model",
        "export PULUMI_CONFIG_PASSPHRASE=…   # encrypts the stack's secrets: choose one, and keep it",
        "pulumi login --local                # unless you are logged in",
        f"pulumi stack init {STACK} && pulumi up",
    ]
    click.echo("\nNext:\n" + "\n".join(f"  {step}" for step in steps))
