"""What `make up`, `preview`, `show` and `down` do beside the Pulumi CLI: create a stack, check for it, print its outputs."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence

from toolchain.commands import run, say
from toolchain.errors import ToolchainError
from toolchain.places import Places, find_places
from toolchain.stacks import show
from toolchain.stacks.local_state import drop_stale_salt, has_own_backend, ignore_salt, is_local

UNKNOWN = (
    "Pulumi can't read its stacks. If the state is in .vision/pulumi, copies of it are in .vision/pulumi/.pulumi/backups.\n"
    "To restore one, run `pulumi stack import --file COPY`."
)


NO_SUCH_STACK = 3
"""The exit status of `exists` if the stack does not exist; 0 if it does, any other if that is unknown."""


class Stack:
    """One stack of this checkout."""

    def __init__(self, places: Places, name: str) -> None:
        self.places = places
        self.name = name

    def _command(self, *arguments: str) -> list[str]:
        return [str(self.places.programs / "pulumi"), *arguments, "-C", str(self.places.checkout)]

    def exists(self) -> bool:
        """Whether the stack exists. Raises ToolchainError if the CLI can't read its stacks."""
        listed = json.loads(run(self._command("stack", "ls", "--json"), advice=UNKNOWN))
        return any(stack["name"].rsplit("/", 1)[-1] == self.name for stack in listed)

    def create(self) -> int:
        """Create the stack unless it exists; returns the CLI's exit status.

        Raises:
            ToolchainError: its file holds secrets whose passphrase is missing.
        """
        if self.exists():
            return 0
        if is_local(self.places, self.name) and not has_own_backend(self.places):
            drop_stale_salt(self.places, self.name)
        return subprocess.run(
            self._command("stack", "select", "--create", self.name, "--non-interactive"), check=False
        ).returncode

    def show(self) -> int:
        """Print the stack's outputs; returns 1 if it has none."""
        if is_local(self.places, self.name):
            ignore_salt(self.places, self.name)
        outputs = json.loads(run(self._command("stack", "output", "--json", "--stack", self.name))) if self.exists() else {}
        if not outputs:
            say(f"The stack {self.name} has no outputs yet. Run `make up` successfully first.")
            return 1
        show.show(outputs, self.places, self.name)
        return 0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m toolchain.stacks.stack")
    parser.add_argument("command", choices=("create", "exists", "show"))
    parser.add_argument("--stack", default="local")
    options = parser.parse_args(arguments)
    try:
        stack = Stack(find_places(), options.stack)
        if options.command == "exists":
            return 0 if stack.exists() else NO_SUCH_STACK
        return stack.create() if options.command == "create" else stack.show()
    except ToolchainError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
