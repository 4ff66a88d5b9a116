"""A machine that loses its power in the middle of everything: each file that may be cut is named, and all comes back."""

import os
import re
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import psutil
import pytest

from tests.stacks.processes import running_in
from tests.stacks.project import VENV_BIN, Project
from tests.stacks.shapes import draw
from vision_customization.customization.client.client import VisionClient

pytestmark = [pytest.mark.ci, pytest.mark.stack, pytest.mark.process]


@pytest.fixture(scope="module")
def project(make_project: Callable[..., Project]) -> Project:
    project = make_project()
    project.up().succeeded()
    return project


def lose_power(project: Project, *cut: str) -> None:
    """Kill what runs for the project at once, and cut these files of its local platform in half."""
    local = project.folder / ".vision" / "local"
    for name in cut:
        if name.endswith(".sqlite"):  # what was written has come to the file itself
            with closing(sqlite3.connect(local / name)) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for _, process in running_in(project.folder):
        with suppress(psutil.NoSuchProcess):
            process.kill()
            process.wait(10)
    for name in cut:
        os.truncate(local / name, (local / name).stat().st_size // 2)


def follow(project: Project, advice: str) -> None:
    """Run a command that an error has said, as a person would paste it."""
    environment = {**project.environment, "PATH": f"{VENV_BIN}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run(["sh", "-ec", advice], cwd=project.folder, env=environment, check=True, timeout=60)


def test_all_comes_back_after_a_power_loss(project: Project, tmp_path: Path) -> None:
    outputs = project.outputs()
    picture = tmp_path / "circle.png"
    draw("circle", 5000).save(picture)
    project.up().succeeded()  # by now the index of the storage is copied
    engine = project.folder / ".vision" / "local" / "engine"

    lose_power(project, "engine/engine.sqlite", "engine/jobs.sqlite", "storage/__azurite_db_blob__.json")
    index = project.folder / ".vision" / "local" / "storage" / "__azurite_db_blob__.json"
    for file, start in ((index, "Restore the last copies: "), (engine / "engine.sqlite", "Put it in place: ")):
        said = unwrapped(project.up().failed().output)
        assert f"{file} is damaged, as after a power loss (" in said
        assert "Traceback" not in said
        [command] = set(re.findall(re.escape(start) + r"(.*?)\. Then", said))
        follow(project, command)
    assert "Traceback" not in project.up().output
    project.run("up", "--yes", "--refresh", "--stack", "local").succeeded()
    project.preview("--expect-no-changes").succeeded()
    assert list(engine.glob("jobs.sqlite.damaged-*"))

    client = VisionClient(outputs["endpoint"], outputs["key"])
    [model] = client.list_models()
    assert model.name == outputs["models"]["shapes"]["name"]
    client.analyze("shapes", picture.read_bytes())


def test_images_that_are_gone_from_storage_are_uploaded_again(project: Project) -> None:
    """An index that is lost for good: the images are, too, but not their folder."""
    lose_power(project)
    for file in (project.folder / ".vision" / "local" / "storage").glob("__azurite*"):
        file.unlink()
    project.up().succeeded()
    refreshed = project.run("up", "--yes", "--refresh", "--stack", "local").succeeded().output
    assert "its files are missing from blob storage and will be uploaded again" in refreshed
    assert "images uploaded" in refreshed
    project.preview("--expect-no-changes").succeeded()


def unwrapped(output: str) -> str:
    """What the CLI printed, with a line for each message: it indents the lines of an error."""
    return re.sub(r"\n\s+", " ", output)
