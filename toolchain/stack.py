"""`make up`, `preview`, `show` and `down`: the Pulumi CLI with the stack chosen, and what it offers printed for a person."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence

from toolchain import show
from toolchain.commands import probe, say
from toolchain.local_state import ignore_salt
from toolchain.places import Places, find_places


class Stack:
    """One stack of this checkout."""

    def __init__(self, places: Places, name: str) -> None:
        self.places = places
        self.name = name
        self.cli = places.programs / "pulumi"

    def __call__(self, command: str, *arguments: str) -> int:
        """Run a command of the CLI on this stack, in the foreground; its exit status."""
        status = self._run(command, "--stack", self.name, *arguments)
        ignore_salt(self.places)
        return status

    def _run(self, *arguments: str) -> int:
        return subprocess.run([self.cli, *arguments], cwd=self.places.checkout, check=False).returncode

    def exists(self) -> bool:
        listed = json.loads(probe([self.cli, "stack", "ls", "--json", "-C", self.places.checkout], timeout_seconds=60) or "[]")
        return any(stack["name"].rsplit("/", 1)[-1] == self.name for stack in listed)

    def create(self) -> int:
        """Create the stack unless it exists; the exit status."""
        if self.exists():
            return 0
        return self._run("stack", "select", "--create", self.name, "--non-interactive")

    def show(self) -> int:
        outputs = probe(
            [self.cli, "stack", "output", "--json", "--stack", self.name, "-C", self.places.checkout], timeout_seconds=60
        )
        if not outputs or outputs == "{}":
            say(f"The stack {self.name} is not up: `make up` starts it.")
            return 1
        show.show(json.loads(outputs), self.places, self.name)
        return 0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m toolchain.stack")
    parser.add_argument("command", choices=("up", "preview", "show", "down"))
    parser.add_argument("--stack", default="local")
    options, rest = parser.parse_known_args(arguments)
    stack = Stack(find_places(), options.stack)
    try:
        if options.command == "show":
            return stack.show()
        if options.command == "down":
            return stack("destroy", "--yes", *rest) if stack.exists() else 0
        status = stack.create()
        if status == 0 and options.command == "preview":
            return stack("preview", *rest)
        return status or stack("up", "--yes", *rest) or stack.show()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
