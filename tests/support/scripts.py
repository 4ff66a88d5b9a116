"""Calls functions of the Studio's scripts that touch no page, in Node.js."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.places import CHECKOUT
from toolchain.places import find_places
from toolchain.programs.azurite import find_node

STATIC = CHECKOUT / "engine" / "studio" / "static"

_PROGRAM = """
import * as module from {module};
const calls = {calls};
process.stdout.write(JSON.stringify(calls.map(([name, ...args]) => module[name](...args))));
"""


def call_script(folder: Path, module: str, calls: Sequence[Sequence[Any]]) -> list[Any]:
    """The results of calls `[function, argument, …]` of a module, one after the other.

    Args:
        folder: an empty one, for copies: Node.js takes a file for a module by its name or by a package's file.
    """
    found: list[Any] = run_script(folder, _PROGRAM.format(module=json.dumps(f"./{module}"), calls=json.dumps(calls)))
    return found


def run_script(folder: Path, program: str) -> Any:  # noqa: ANN401
    """What a program that imports the Studio's modules from `./` writes as JSON; `folder` is as for `call_script`."""
    for script in STATIC.glob("*.js"):
        shutil.copy(script, folder)
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "call.js").write_text(program)
    done = subprocess.run([find_node(find_places()).program, "call.js"], cwd=folder, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)
