"""`make clean`: removes what set-up and tests created in the checkout. The shared cache stays, and its path is printed."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from toolchain.commands import say
from toolchain.errors import ToolchainError
from toolchain.places import Places, find_places
from toolchain.programs.studio_files import FOLDER

MADE = (".venv", ".vision", "policy/.venv", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis", "dist", FOLDER)
MADE_OF_SAMPLES = tuple(
    f"examples/{example}/{made}"
    for example in ("textile", "detection")
    for made in ("images", "objects", "train.json", "test.json")
)


def stacks_in_use(backend: Path) -> list[str]:
    """Stacks of a file backend that have resources: their processes run, and only the state records them.

    A state that was truncated by a crash counts, too: its copies would be lost with it.
    """
    in_use = []
    for file in sorted(backend.glob(".pulumi/stacks/*/*.json")):
        try:
            latest = json.loads(file.read_text()).get("checkpoint", {}).get("latest") or {}
        except (ValueError, AttributeError):
            in_use.append(file.stem)
            continue
        if any(resource.get("custom") for resource in latest.get("resources") or []):
            in_use.append(file.stem)
    return in_use


def clean(places: Places) -> None:
    """Remove everything that set-up created.

    Raises:
        ToolchainError: a stack is still up.
    """
    in_use = stacks_in_use(places.state / "pulumi")
    if in_use:
        down = " and ".join(f"`make down STACK={stack}`" for stack in in_use)
        raise ToolchainError(
            f"The stack {', '.join(in_use)} is up, and its state would be lost with .vision. Run {down} first."
        )
    for name in (*MADE, *MADE_OF_SAMPLES):
        path = places.checkout / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    say(f"Removed. The cache that all checkouts share stays in {places.cache}; remove it by hand if you want to.")


def main() -> int:
    try:
        clean(find_places())
    except ToolchainError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
