"""Which service a command speaks to: options, environment, or the current Pulumi stack."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import click
from click.core import ParameterSource

from vision_customization.common.deploying_identity import deploying_credential
from vision_customization.common.errors import VisionError

if TYPE_CHECKING:
    from vision_customization.customization.client.client import VisionClient

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

STACK_TIMEOUT_SECONDS = 60


def service_options(command: Callable[..., Result]) -> Callable[..., Result]:
    """`--endpoint`, `--key` and `--stack`; the command gets them as a `client` that is closed after it."""

    @click.option("--endpoint", envvar="VISION_ENDPOINT", show_envvar=True, metavar="URL", help="The service's address.")
    @click.option(
        "--key",
        envvar="VISION_KEY",
        show_envvar=True,
        metavar="KEY",
        help="The service's key; by default, your Entra identity is used. Other users can read a command line: prefer the "
        "variable.",
    )
    @click.option(
        "--stack", metavar="STACK", help="Read the address and key from this Pulumi stack. [default: the current one]"
    )
    @click.pass_context
    @functools.wraps(command)
    def with_client(
        context: click.Context,
        /,
        *arguments: Any,  # noqa: ANN401 - click passes what the command declares
        endpoint: str | None,
        key: str | None,
        stack: str | None,
        **options: Any,  # noqa: ANN401
    ) -> Result:
        if stack is not None and context.get_parameter_source("endpoint") is not ParameterSource.COMMANDLINE:
            endpoint = key = None
        if endpoint is None:
            endpoint, key = stack_service(stack)
        with open_client(endpoint, key) as client:
            return command(*arguments, client=client, **options)

    return with_client


def open_client(endpoint: str, key: str | None) -> VisionClient:
    """A client by key, else by the caller's Entra identity."""
    from vision_customization.customization.client.client import VisionClient

    if key:
        return VisionClient(endpoint, key, on_silence=say_on_stderr)
    if not endpoint.startswith("https://"):
        raise click.UsageError("no key: pass --key or set VISION_KEY (an Entra identity works over https only)")
    return VisionClient(endpoint, deploying_credential(), on_silence=say_on_stderr)


def say_on_stderr(line: str) -> None:
    click.echo(line, err=True)


def stack_service(stack: str | None) -> tuple[str, str | None]:
    """Endpoint and key from the outputs of a Pulumi stack.

    Raises:
        click.UsageError: no Pulumi project is here, so no service is known.
        VisionError: the stack does not have these outputs.
    """
    project = project_folder()
    pulumi = shutil.which("pulumi") or shutil.which("pulumi", path=str(Path(sys.executable).parent))
    if project is None or pulumi is None:
        missing = "the current folder is not in a Pulumi project" if project is None else "the Pulumi CLI is not on PATH"
        raise click.UsageError(f"no service: pass --endpoint and --key, or set VISION_ENDPOINT and VISION_KEY ({missing})")
    command = [pulumi, "stack", "output", "--show-secrets", "--json", "--non-interactive", "--cwd", str(project)]
    if stack is not None:
        command += ["--stack", stack]
    name = f"stack {stack!r}" if stack else "the current stack"
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=STACK_TIMEOUT_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise VisionError(f"{name}: pulumi stack output failed: {type(error).__name__}") from None
    if done.returncode:
        reason = done.stderr.strip().rpartition("\n")[2].removeprefix("error: ")
        advice = "Choose a stack with `pulumi stack select` or --stack"
        if "passphrase" in reason:
            advice = "Export PULUMI_CONFIG_PASSPHRASE, which encrypts the stack's key"
        raise VisionError(f"{name}: {reason.rstrip('.')}. {advice}")
    outputs = json.loads(done.stdout or "{}")
    if not isinstance(outputs.get("endpoint"), str):
        raise VisionError(f"{name} has no output `endpoint`. Run `pulumi up` first")
    return outputs["endpoint"], outputs.get("key")


def project_folder() -> Path | None:
    """The Pulumi project that the current folder is in."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / "Pulumi.yaml").is_file()), None)
