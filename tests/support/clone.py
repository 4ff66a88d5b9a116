"""A copy of the project that has nothing but its tracked files, as somebody has it who has just cloned it."""

import shutil
import subprocess
from pathlib import Path

from tests.support.places import CHECKOUT


def clone_into(folder: Path) -> None:
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=CHECKOUT, capture_output=True, check=True, text=True).stdout.split("\0")
    for name in names:
        if name and (CHECKOUT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(CHECKOUT / name, folder / name, follow_symlinks=False)
