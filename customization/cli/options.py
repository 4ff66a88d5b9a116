"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

seed_option = click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    help="Seed of the train/test split; a different seed gives a different split.",
)


def split_share_option(
    default: float, text: str = "The share of each tag's images to put in test.json."
) -> Callable[[Command], Command]:
    """`--test-share`, from 0 to less than 1."""
    return click.option(
        "--test-share", type=click.FloatRange(0, 1, max_open=True), default=default, show_default=True, help=text
    )


def timeout_option(work: str) -> Callable[[Command], Command]:
    """`--timeout`: how long to wait for `work`, such as `training`. Its argument is `timeout_seconds`."""
    return click.option(
        "--timeout",
        "timeout_seconds",
        type=click.FloatRange(0),
        metavar="SECONDS",
        help=f"Stop waiting after SECONDS; the {work} continues.",
    )


def account_key_option(text: str) -> Callable[[Command], Command]:
    """`--account-key`, or a variable, since other users of a machine can read a command line. `text` says what it is for."""
    return click.option("--account-key", envvar="VISION_STORAGE_KEY", show_envvar=True, metavar="KEY", help=text)


def sas_days_option(read: str) -> Callable[[Command], Command]:
    """`--sas-days`. `read` is what the service reads with the token, such as `a registered copy with`."""
    return click.option(
        "--sas-days",
        type=click.IntRange(1),
        default=365,
        show_default=True,
        help=f"Lifetime in days of the SAS token the service reads {read} (only with --account-key).",
    )
