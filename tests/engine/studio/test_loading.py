"""What the Studio does not cost: modules that an engine does not need are not loaded."""

import subprocess
import sys

import pytest

PROGRAM = "import sys, {module}; print(*(name for name in {names!r} if name in sys.modules))"
STUDIO = "vision_customization.engine.studio"


@pytest.mark.parametrize(
    ("module", "unneeded"),
    [
        ("vision_customization.engine.server", (STUDIO, "jinja2", "msal")),
        (STUDIO, ("msal", "vision_customization.engine.jobs.process")),
    ],
)
def test_modules_are_loaded_when_they_are_needed(module: str, unneeded: tuple[str, ...]) -> None:
    command = [sys.executable, "-c", PROGRAM.format(module=module, names=unneeded)]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert loaded.split() == []
