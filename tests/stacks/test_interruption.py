"""An update killed in the middle: the next one takes over what is there."""

import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress

import psutil
import pytest

from tests.stacks.project import Project
from tests.support.waiting import wait_until
from toolchain.launcher import release_dead_locks
from vision_customization.common.errors import VisionError
from vision_customization.contract.enums import ModelStatus
from vision_customization.customization.client.client import VisionClient

pytestmark = [pytest.mark.ci, pytest.mark.stack, pytest.mark.process]

IMAGES = 40


@pytest.fixture(scope="module")
def project(make_project: Callable[..., Project]) -> Project:
    """A project whose training takes long enough to be killed in."""
    return make_project(images=IMAGES, side_px=320)


def wait_until_training(project: Project, update: "subprocess.Popen[str]", timeout_seconds: float = 120) -> VisionClient:
    """Wait until the engine says that a model trains."""

    def client_of_training() -> VisionClient | None:
        assert update.poll() is None, update.communicate()[0]
        with suppress(FileNotFoundError, KeyError, VisionError):
            client = client_of(project)
            if any(model.status is ModelStatus.TRAINING for model in client.list_models()):
                return client
        return None

    return wait_until(client_of_training, "a model trains", timeout_seconds, every_seconds=0.2)


def client_of(project: Project) -> VisionClient:
    """The engine's client while the first update still runs: outputs are not there yet, so the engine's own note tells."""
    folder = project.folder / ".vision" / "local" / "engine"
    note = psutil.Process(int((folder / "service.json").read_text().split('"pid": ')[1].split(",")[0]))
    environment = note.environ()
    port = (folder / "service.json").read_text().split('"port": ')[1].split(",")[0]
    return VisionClient(f"http://127.0.0.1:{port}", environment["VISION_ENGINE_KEYS"].split(",")[0])


def test_pulumi_killed_while_a_model_trains(project: Project) -> None:
    update = project.start("up", "--yes", "--stack", "local")
    client = wait_until_training(project, update)
    [begun] = client.list_models()
    os.killpg(update.pid, signal.SIGKILL)
    update.communicate()
    release_dead_locks(project.environment["PULUMI_BACKEND_URL"])  # as the launcher does for the checkout's own backend
    output = project.up().succeeded().output
    assert "resuming the training that an earlier update started" in output
    [model] = client.list_models()
    assert (model.name, model.created_date_time) == (begun.name, begun.created_date_time)
    assert model.training_progress is not None
    assert model.training_progress.images_embedded == 2 * IMAGES
    project.preview("--expect-no-changes").succeeded()
