"""An engine that hangs (SIGSTOP), and an environment full of proxies, through the real CLI."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from tests.stacks.processes import processes_in, running_in
from tests.stacks.project import VENV_BIN, Project

pytestmark = [pytest.mark.ci, pytest.mark.stack, pytest.mark.process]

PROXIES = ("ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy")
DEAD_PROXY = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def project(make_project: Callable[..., Project]) -> Project:
    project = make_project()
    project.up().succeeded()
    return project


@pytest.fixture
def engine(project: Project) -> Iterator[psutil.Process]:
    """The engine of the project, suspended, and with it nothing that answers."""
    project.up(previewed=True).succeeded()
    [process] = [process for line, process in running_in(project.folder) if "vision-engine serve" in line]
    process.send_signal(signal.SIGSTOP)
    yield process
    if process.is_running():
        process.send_signal(signal.SIGCONT)


def test_the_command_line_says_that_the_engine_hangs(project: Project, engine: psutil.Process) -> None:
    outputs = project.outputs()
    environment = {**os.environ, "VISION_ENDPOINT": outputs["endpoint"], "VISION_KEY": outputs["key"]}
    begun = time.monotonic()
    listed = subprocess.run(
        [VENV_BIN / "vision", "models", "list"], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert time.monotonic() - begun < 60
    assert listed.returncode == 3
    assert f"no answer from {outputs['endpoint']} yet; waiting for up to 20 s" in listed.stderr
    assert "If it is the local engine, it hangs: see its log, and restart it with `pulumi up`" in listed.stderr


def test_an_update_starts_it_again(project: Project, engine: psutil.Process) -> None:
    begun = time.monotonic()
    preview = project.preview().succeeded().output
    assert "it is running, but does not answer, and will be restarted" in preview
    project.up(previewed=True).succeeded()
    assert time.monotonic() - begun < 90
    assert not engine.is_running()
    project.preview("--expect-no-changes").succeeded()


def test_a_destroy_ends_it(project: Project, engine: psutil.Process) -> None:
    begun = time.monotonic()
    output = project.destroy().succeeded().output
    assert time.monotonic() - begun < 90
    assert "the local engine does not answer: it stays in the engine's data folder" in output
    assert processes_in(project.folder) == []


def test_proxies_of_the_environment_are_not_for_this_machine(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the start of the processes, with which a health check through a proxy never ended well."""
    for name in PROXIES:
        monkeypatch.setenv(name, DEAD_PROXY)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    begun = time.monotonic()
    project.up().succeeded()
    assert time.monotonic() - begun < 90
    project.refresh("--preview-only", "--expect-no-changes").succeeded()
    outputs = project.outputs()
    environment = {**os.environ, "VISION_ENDPOINT": outputs["endpoint"], "VISION_KEY": outputs["key"]}
    listed = subprocess.run(
        [VENV_BIN / "vision", "models", "list"], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (listed.returncode, "shapes-" in listed.stdout) == (0, True), listed.stderr
