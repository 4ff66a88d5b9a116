"""One folder for the toolchain that fills it, and for the engine and the client that look into it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.places import CHECKOUT
from toolchain.places import find_places
from vision_customization.common.cache_folder import cache_folder
from vision_customization.customization.cli.output import digest_cache
from vision_customization.engine.settings import default_weights_dir

HOME = Path("/home/me")


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({}, "/home/me/.cache/vision-customization"),
        ({"XDG_CACHE_HOME": ""}, "/home/me/.cache/vision-customization"),
        ({"XDG_CACHE_HOME": "/fast"}, "/fast/vision-customization"),
        ({"XDG_CACHE_HOME": "relative"}, "/home/me/.cache/vision-customization"),
        ({"XDG_CACHE_HOME": "/fast", "VISION_CACHE_DIR": "/mine"}, "/mine"),
        ({"XDG_CACHE_HOME": "/fast", "VISION_CACHE_DIR": ""}, "/fast/vision-customization"),
        ({"VISION_CACHE_DIR": "here"}, f"{Path.cwd()}/here"),
        ({"VISION_CACHE_DIR": "~/mine"}, f"{Path.home()}/mine"),
    ],
)
def test_cache_folder(environ: dict[str, str], folder: str) -> None:
    assert cache_folder(environ, HOME) == Path(folder)


@pytest.mark.parametrize(
    "variables", [{"VISION_CACHE_DIR": "mine"}, {"XDG_CACHE_HOME": "relative"}, {"XDG_CACHE_HOME": "{tmp}/x"}]
)
def test_setup_engine_and_client_agree(variables: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # no Pulumi project: the client has no cache of its own here
    for name in ("VISION_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(tmp=tmp_path))
    folder = cache_folder()
    assert find_places().cache == folder
    assert default_weights_dir() == folder / "weights" == find_places().weights
    assert digest_cache().path.parent == folder


def oldest_python() -> str:
    """The oldest Python from 3.9 on that runs here: a version manager has names for those that it does not run, too."""
    for minor in range(9, sys.version_info.minor):
        found = shutil.which(f"python3.{minor}")
        if found and subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode == 0:
            return found
    return sys.executable


@pytest.mark.parametrize(
    "module",
    [
        *("common.cache_folder", "common.redaction", "common.backoff"),
        *("toolchain.setup", "toolchain.clean", "toolchain.image"),
    ],
)
def test_set_up_can_import_it_without_any_package(module: str) -> None:
    """By the oldest Python that there is, from the checkout, as `python3 -m toolchain.setup` starts."""
    command = "import sys; sys.path.insert(0, '.'); import importlib; importlib.import_module(sys.argv[1])"
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    ran = subprocess.run(
        [oldest_python(), "-I", "-S", "-c", command, module], cwd=CHECKOUT, env=environ, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
