"""The programs of local servers: where to find each, and how to get a missing one."""

import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

from vision_customization.components.local.errors import LocalServiceError

AZURITE_VERSION = "3.37.0"
"""The version that `npx` and Docker fetch. `make setup` installs the same one."""


def program(name: str, data_dir: str) -> list[str]:
    """The start of the command line that runs a program: from Pulumi's Python environment, else from PATH.

    If Azurite is not installed, it comes from npm or a container registry; Pulumi shows that it waits.

    Args:
        name: the program's name, such as `vision-engine`.
        data_dir: absolute path of the one folder that it writes to.

    Raises:
        LocalServiceError: it is not installed; the message says how to install it.
    """
    beside_python = Path(sys.executable).parent / name
    found = str(beside_python) if beside_python.exists() else shutil.which(name)
    if found:
        if name == "vision-engine" and beside_python.exists() and find_spec("fastapi") is None:
            raise LocalServiceError("the engine is not installed: pip install 'vision-customization[engine]'")
        return [found]
    if name != "azurite-blob":
        raise LocalServiceError(
            f"{name} is neither in the folder of {sys.executable} nor on PATH. Install it, or correct the command"
        )
    if npx := shutil.which("npx"):
        return [npx, "--yes", "--package", f"azurite@{AZURITE_VERSION}", "--", name]
    if sys.platform == "linux" and (docker := shutil.which("docker")):
        # With this machine's network and folder, its arguments have the same meaning inside the container. On a Mac the
        # network of the host is that of a virtual machine.
        options = ["--rm", "--init", "--network", "host", "--user", f"{os.getuid()}:{os.getgid()}"]
        image = f"mcr.microsoft.com/azure-storage/azurite:{AZURITE_VERSION}"
        return [docker, "run", *options, "--volume", f"{data_dir}:{data_dir}", "--env", "AZURITE_ACCOUNTS", image, name]
    raise LocalServiceError(
        "Azurite, the local blob storage, is not installed: azurite-blob is not on PATH, and neither npx nor docker is there "
        "to run it. "
        f"Install Node.js 22 or later, and run: npm install --global azurite@{AZURITE_VERSION}"
    )


def is_fetched(command_line: list[str]) -> bool:
    """Whether the program may be downloaded before it starts."""
    return Path(command_line[0]).name in ("npx", "docker")
