import json
import sys
from pathlib import Path

import pytest

from tests.support.places import CHECKOUT
from vision_customization.components.local import programs
from vision_customization.components.local.errors import LocalServiceError
from vision_customization.components.local.programs import AZURITE_VERSION, is_fetched, program


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The one folder on PATH; no program is beside Python."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(programs.sys, "executable", str(tmp_path / "elsewhere" / "python"))
    return tmp_path


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)


@pytest.mark.parametrize(
    ("there", "begins", "fetched"),
    [
        (["azurite-blob", "npx", "docker"], ["azurite-blob"], False),
        (["npx", "docker"], ["npx", "--yes", "--package", f"azurite@{AZURITE_VERSION}", "--", "azurite-blob"], True),
        (["docker"], ["docker", "run", "--rm"], True),
    ],
)
def test_azurite_is_found(path: Path, there: list[str], begins: list[str], fetched: bool) -> None:
    put(path, *there)
    found = program("azurite-blob", "/data")
    assert [Path(found[0]).name, *found[1:]][: len(begins)] == begins
    assert is_fetched(found) is fetched


def test_docker_sees_the_data_where_this_machine_does(path: Path) -> None:
    put(path, "docker")
    found = program("azurite-blob", "/here/data")
    assert found[found.index("--volume") + 1] == "/here/data:/here/data"
    assert found[found.index("--network") + 1] == "host"
    assert found[-2:] == [f"mcr.microsoft.com/azure-storage/azurite:{AZURITE_VERSION}", "azurite-blob"]
    assert "AZURITE_ACCOUNTS" in found, "the key is taken from the environment: a command line is seen by everybody"


def test_how_to_get_azurite_is_said_where_nothing_runs_it(path: Path) -> None:
    with pytest.raises(LocalServiceError, match=rf"npm install --global azurite@{AZURITE_VERSION}"):
        program("azurite-blob", "/data")


def test_what_stands_beside_python_comes_first() -> None:
    assert program("python", "/data") == [str(Path(sys.executable).parent / "python")]


def test_set_up_installs_the_same_azurite() -> None:
    package = json.loads((CHECKOUT / "toolchain" / "programs" / "azurite" / "package.json").read_text())
    assert package["dependencies"] == {"azurite": AZURITE_VERSION}


def test_an_engine_without_its_packages_is_named_before_it_is_started(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(path, "vision-engine")
    monkeypatch.setattr(programs.sys, "executable", str(path / "python"))
    assert program("vision-engine", "/data") == [str(path / "vision-engine")]
    monkeypatch.setattr(programs, "find_spec", lambda _: None)
    with pytest.raises(LocalServiceError, match=r"pip install 'vision-customization\[engine\]'"):
        program("vision-engine", "/data")
