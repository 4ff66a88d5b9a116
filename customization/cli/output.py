"""What commands print: results on standard output, as a table or as JSON, progress on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from vision_customization.common.cache_folder import cache_folder
from vision_customization.contract.names import printable, printable_json
from vision_customization.customization.cli.connection import project_folder
from vision_customization.customization.cli.exit_code import ExitCode

if TYPE_CHECKING:
    from vision_customization.customization.datasets.digest_cache import DigestCache

PIPE_WIDTH = 10_000

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")


def print_json(value: object) -> None:
    click.echo(printable_json(json.dumps(value, ensure_ascii=False, indent=2)))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], nothing: str) -> None:
    """Print a table, numeric columns right-aligned; without rows, print `nothing` instead."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if not rows:
        click.echo(nothing)
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_header=any(columns), show_edge=False)
    for index, column in enumerate(columns):
        numeric = all(isinstance(row[index], int | float) or row[index] is None for row in rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell_text(cell)) for cell in row))
    # A pipe has no width, so lines are not folded.
    Console(width=None if sys.stdout.isatty() else PIPE_WIDTH).print(table)


def cell_text(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else printable(str(value)).replace("\n", "\\n")


def say(text: str) -> None:
    """Print a remark for the person at the terminal, on standard error."""
    click.echo(printable(text), err=True)


def confirm(question: str, yes: bool) -> None:
    """Return if the user confirms or passed `--yes`. Else raise Exit, or UsageError if the terminal is not interactive."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("not an interactive terminal: pass --yes to confirm")
    if not click.confirm(question, err=True):
        say("Nothing was deleted.")
        raise click.exceptions.Exit(ExitCode.NO)


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[float, float | None, str], None]]:
    """A progress bar on standard error if that is a terminal. Call the yielded function with (done, total, current step)."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task(title, total=None)

        def advance(done: float, total: float | None, doing: str = "") -> None:
            bar.update(task, completed=done, total=total, description=f"{title}{f': {doing}' if doing else ''}")

        yield advance


def digest_cache() -> DigestCache:
    """The Pulumi project's cache, so that `vision check` and `pulumi up` share it; outside a project, the user's cache."""
    from vision_customization.customization.datasets.digest_cache import DigestCache

    project = project_folder()
    if project is not None:
        return DigestCache(project / ".vision")
    return DigestCache(cache_folder())


def performance_rows(performance: dict[str, Any] | None) -> list[tuple[str, float]]:
    """The metrics of the whole model, without the metrics per tag."""
    return [(name, value) for name, value in (performance or {}).items() if isinstance(value, float | int)]
