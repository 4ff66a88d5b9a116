"""`python -m pipeline`: the commands behind `make preview`, `drift`, `cost`, `smoke`, `comment` and `drift-issue-*`."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.cost import estimate, estimate_lines
from pipeline.github import GitHubError, Repository
from pipeline.markdown import marker
from pipeline.prices import price_list
from pipeline.run import KINDS, file_of, run
from toolchain.commands import say
from toolchain.places import Places, find_places

_STACK = re.compile(r"(?:[A-Za-z0-9_.-]+/)*[A-Za-z0-9_.-]+")


def stack_name(text: str) -> str:
    """A stack's own name, without organization and project; it is used in a folder name and in a hidden line."""
    name = text.rsplit("/", 1)[-1]
    if not _STACK.fullmatch(text) or name in (".", ".."):
        raise argparse.ArgumentTypeError(f"{text!r} is not a stack name: use letters, digits, '_', '.' and '-'")
    return name


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m pipeline", description=__doc__, allow_abbrev=False)
    parser.add_argument("command", choices=(*KINDS, "cost", "smoke", "comment", "issue-open", "issue-close"))
    parser.add_argument("--stack", type=stack_name, default="local")
    parser.add_argument("--pull-request", type=int, help="number of the pull request to comment on")
    ending = parser.add_mutually_exclusive_group()
    ending.add_argument("--keep", action="store_true", help="smoke: do not destroy anything in the end")
    ending.add_argument("--clean", action="store_true", help="smoke: only destroy what a run left that was cut off")
    options, rest = parser.parse_known_args(arguments)
    places = find_places()
    if options.command in KINDS:
        return run(options.command, options.stack, places, rest)
    if options.command == "smoke":
        return smoke(options.stack, places, rest, keep=options.keep, clean=options.clean)
    if rest:
        parser.error(f"unknown: {' '.join(rest)}")
    if options.command == "cost":
        return cost(options.stack, places.checkout)
    kind = "preview" if options.command == "comment" else "drift"
    try:
        say(_publish(options.command, kind, options.stack, options.pull_request, file_of(kind, options.stack, places)))
    except GitHubError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def cost(stack: str, checkout: Path) -> int:
    """Print what a stack's file would cost; returns the exit status."""
    # Here, since the other commands need neither Pulumi nor the packages of Azure.
    from pulumi import RunError

    from pipeline.declared import NotInAzure, declared_resources

    try:
        resources = declared_resources(stack, checkout)
    except (NotInAzure, RunError) as error:
        print(error, file=sys.stderr)
        return 1
    say("\n".join(estimate_lines(estimate(resources, price_list()))))
    return 0


def smoke(stack: str, places: Places, options: Sequence[str], *, keep: bool, clean: bool) -> int:
    """Bring a stack up in Azure, use it, and take it down, or only the last; returns the exit status."""
    from pipeline.leftovers import ResourceManager
    from pipeline.smoke import Smoke
    from vision_customization.common.deploying_identity import deploying_credential

    test = Smoke(places, stack, lambda: ResourceManager(deploying_credential()), options, keep)
    return test.clean() if clean else test.run()


def _publish(command: str, kind: str, stack: str, pull_request: int | None, file: Path) -> str:
    if not file.is_file():
        raise GitHubError(f"{file} does not exist. Run `make {kind} STACK={stack}` first")
    repository, first, body = Repository.from_environment(os.environ), marker(kind, stack), file.read_text()
    if command == "comment":
        if pull_request is None:
            raise GitHubError("the pull request is missing. Run `make comment PULL_REQUEST=<number>`")
        return repository.comment(pull_request, first, body)
    if command == "issue-open":
        return repository.open_issue(first, f"Drift in stack {stack}", body)
    return repository.close_issue(first, body) or "no drift, and no open issue"


if __name__ == "__main__":
    sys.exit(main())
