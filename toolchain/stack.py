"""What `make up`, `preview`, `show` and `down` do beside the Pulumi CLI: make a stack, ask for it, print what it offers."""

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

    def _command(self, *arguments: str) -> list[str]:
        return [str(self.places.programs / "pulumi"), *arguments, "-C", str(self.places.checkout)]

    def exists(self) -> bool:
        listed = json.loads(probe(self._command("stack", "ls", "--json"), timeout_seconds=60) or "[]")
        return any(stack["name"].rsplit("/", 1)[-1] == self.name for stack in listed)

    def create(self) -> int:
        """Create the stack unless it exists; the CLI's exit status."""
        if self.exists():
            return 0
        return subprocess.run(
            self._command("stack", "select", "--create", self.name, "--non-interactive"), check=False
        ).returncode

    def show(self) -> int:
        """Print what the stack offers; 1 where that is nothing."""
        ignore_salt(self.places)
        outputs = json.loads(
            probe(self._command("stack", "output", "--json", "--stack", self.name), timeout_seconds=60) or "{}"
        )
        if not outputs:
            say(f"The stack {self.name} offers nothing yet: `make up` has to end well first.")
            return 1
        show.show(outputs, self.places, self.name)
        return 0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m toolchain.stack")
    parser.add_argument("command", choices=("create", "exists", "show"))
    parser.add_argument("--stack", default="local")
    options = parser.parse_args(arguments)
    stack = Stack(find_places(), options.stack)
    if options.command == "exists":
        return 0 if stack.exists() else 1
    return stack.create() if options.command == "create" else stack.show()


if __name__ == "__main__":
    sys.exit(main())
