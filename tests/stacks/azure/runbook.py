"""docs/azure-restore.md: the commands of a section, run on a played Azure."""

import os
import re
import subprocess
from pathlib import Path

from tests.stacks.azure import az
from tests.stacks.azure.services import AzureWorld
from tests.support.places import DOCS

PAGE = (DOCS / "azure-restore.md").read_text()


def commands(heading: str) -> str:
    """The commands of a section of the page."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    [block] = re.findall(r"```bash\n(.*?)```", section, re.DOTALL)
    return str(block)


def follow(folder: Path, world: AzureWorld, heading: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run them, with the test's own values of the variables at their beginning."""
    script = commands(heading)
    for name, value in variables.items():
        script, replaced = re.subn(rf"^{name}=.*$", f"{name}={value}", script, flags=re.MULTILINE)
        assert replaced == 1
    path = os.pathsep.join([str(az.install(folder / "bin")), os.environ["PATH"]])
    environment = {**os.environ, **world.environment(), "PATH": path}
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
