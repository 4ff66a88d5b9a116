"""The README's commands, executed in order, in a copy of the project that has nothing but its tracked files."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.engine.jobs.drawn import draw_photos
from tests.support.clone import clone_into
from tests.support.places import CHECKOUT

README = (CHECKOUT / "README.md").read_text()
TIMEOUT_SECONDS = 1200


def shell_blocks(markdown: str) -> list[str]:
    """The code blocks marked `sh`: those that a reader runs as they stand."""
    return re.findall(r"^```sh\n(.*?)^```", markdown, re.MULTILINE | re.DOTALL)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    clone_into(tmp_path)
    draw_photos(tmp_path / "my-photos", ("oak", "beech"), 20)
    return tmp_path


@pytest.mark.ci
@pytest.mark.stack
@pytest.mark.process
@pytest.mark.timeout(TIMEOUT_SECONDS)
def test_the_commands_of_the_readme_work(clone: Path) -> None:
    blocks = shell_blocks(README)
    assert len(blocks) >= 4
    script = "set -euo pipefail\n" + "\n".join(blocks)
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PULUMI_", "VISION_", "MAKE")) or name == "VISION_CACHE_DIR"
    }
    # Somebody who has just cloned the project has no environment active.
    environment["PATH"] = os.pathsep.join(
        part for part in environment["PATH"].split(os.pathsep) if Path(part) != CHECKOUT / ".venv" / "bin"
    )
    environment.pop("VIRTUAL_ENV", None)
    environment.pop("ARGS", None)  # what `make test` was given is not for the make of this clone
    try:
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=clone,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT_SECONDS - 60,
            check=False,
        )
    finally:
        if (clone / ".venv").exists():
            for stack in ("local", "my-photos"):
                subprocess.run(["make", "down", f"STACK={stack}"], cwd=clone, env=environment, check=False, capture_output=True)
    assert done.returncode == 0, done.stdout
    assert '"tagsResult"' in done.stdout
    assert "accuracyTop1" in done.stdout
    assert (clone / ".vision" / "textile.onnx").exists()
    assert "model-name=my-photos" in done.stdout
    assert (clone / "my-photos" / "contact-sheet.html").exists()


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\((?!https?:)([^)#]+)", README))))
def test_what_the_readme_links_to_is_there(target: str) -> None:
    assert (CHECKOUT / target).exists()
