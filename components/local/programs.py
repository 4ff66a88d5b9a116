"""The programs that servers of this machine are: where each is found, and how one that is missing is got."""

import os
import shutil
import sys
from pathlib import Path

from vision_customization.components.local.errors import LocalServiceError

AZURITE_VERSION = "3.37.0"
"""What `npx` and Docker get. `make setup` installs the same one."""


def program(name: str, data_dir: str) -> list[str]:
    """The command line's beginning that runs a program: from the environment that Pulumi runs in, else from PATH.

    Azurite comes from npm or a container registry where it is not installed; Pulumi shows that it waits.

    Args:
        name: as it is installed, such as `vision-engine`.
        data_dir: absolute path of the one folder that it writes to.

    Raises:
        LocalServiceError: it is not installed; the message says how to install it.
    """
    beside_python = Path(sys.executable).parent / name
    found = str(beside_python) if beside_python.exists() else shutil.which(name)
    if found:
        return [found]
    if name != "azurite-blob":
        raise LocalServiceError(
            f"{name} is neither in the folder of {sys.executable} nor on PATH. Install it, or correct the command"
        )
    if npx := shutil.which("npx"):
        return [npx, "--yes", "--package", f"azurite@{AZURITE_VERSION}", "--", name]
    if docker := shutil.which("docker"):
        # With the network and the folder of this machine, its arguments mean there what they mean here.
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
