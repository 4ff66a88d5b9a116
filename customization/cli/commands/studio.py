"""`vision studio`."""

from __future__ import annotations

import webbrowser
from typing import TYPE_CHECKING

import click

from vision_customization.contract.studio import Role
from vision_customization.customization.cli.connection import service_options
from vision_customization.customization.cli.output import say

if TYPE_CHECKING:
    from vision_customization.customization.client.client import VisionClient


@click.command(short_help="Open the engine's web pages, signed in")
@click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    default=Role.OWNER.value,
    show_default=True,
    help="What may be done there: look (reader), also change labels (labeler), or everything (owner).",
)
@click.option("--print", "only_print", is_flag=True, help="Print the address with its one-time code, and open no browser.")
@service_options
def studio(client: VisionClient, role: str, only_print: bool) -> None:
    """Open the Studio, the engine's web pages, in a browser that is signed in by a one-time code.

    The code works once, within a minute, so do not send it to others. Print the address where no browser can be opened, for
    example on a machine that you reach by ssh: forward the engine's port, and open the address on your own machine.

    \b
    Examples:
      vision studio
      vision studio --stack dev --role reader
    """
    address = f"{client.endpoint.rstrip('/')}/studio/sign-in#code={client.studio_code(Role(role)).code}"
    if only_print:
        click.echo(address)
    elif not webbrowser.open(address):
        say("No browser can be opened here. Open this address within a minute:")
        click.echo(address)
