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
    for script in STATIC.glob("*.js"):
        shutil.copy(script, folder)
    (folder / "package.json").write_text('{"type": "module"}')
    program = _PROGRAM.format(module=json.dumps(f"./{module}"), calls=json.dumps(calls))
    (folder / "call.js").write_text(program)
    done = subprocess.run([find_node(find_places()).program, "call.js"], cwd=folder, capture_output=True, text=True, check=True)
    found: list[Any] = json.loads(done.stdout)
    return found
