"""A release of the engine that cannot answer gets no traffic: two revisions of an app on a simulated Azure, with PostgreSQL."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography.fernet import Fernet

from tests.engine.conftest import weights_dir  # noqa: F401 - a fixture
from tests.engine.jobs.drawn import drawn_image
from tests.stacks.azure import container_app, directory
from tests.stacks.azure import world as told
from tests.stacks.azure.services import CONTAINER_APP
from tests.stacks.azure.world import WorldFailure
from tests.stacks.azure.written_state import ARTIFACTS, CONTRIBUTOR, GROUP, IDENTITY, State
from tests.support.exported_model import export
from vision_customization.components.azure.engine_app import _http_probes
from vision_customization.customization.client.client import VisionClient
from vision_customization.customization.errors import VisionError

pytestmark = [pytest.mark.ci, pytest.mark.process, pytest.mark.postgresql, pytest.mark.usefixtures("deployer")]

KEY = "the-key-of-this-release"
APP = f"{GROUP}/providers/Microsoft.App/containerApps/engine"


def probes(*, self_test: bool) -> list[dict[str, Any]]:
    """As the component declares them."""
    return [
        {"type": probe.type.value, "httpGet": {"path": probe.http_get.path, "port": probe.http_get.port}}  # type: ignore[union-attr]
        for probe in _http_probes(self_test)
    ]


@pytest.fixture
def app(objects_url: str, database_url: str) -> Iterator[dict[str, Any]]:
    """The inputs of an app whose revisions share a database and a container."""
    values = {
        "AZURE_CLIENT_ID": "engine-client",
        "VISION_ENGINE_KEYS": KEY,
        "VISION_ENGINE_TOKEN_KEY": Fernet.generate_key().decode(),
        "VISION_ENGINE_DATABASE_URL": database_url,
        "VISION_ENGINE_OBJECTS_URL": objects_url,
    }
    container = {
        "image": "registry/engine:1",
        "args": ["serve", "--host", "0.0.0.0", "--port", "8080", "--workers", "0"],
        "env": [{"name": name, "value": value} for name, value in values.items()],
        "probes": probes(self_test=True),
    }
    yield {
        "identity": {"type": "UserAssigned", "userAssignedIdentities": [IDENTITY]},
        "configuration": {"ingress": {"external": True, "targetPort": 8080}},
        "template": {"containers": [container], "scale": {"minReplicas": 1, "maxReplicas": 1}},
    }
    told.remove(CONTAINER_APP, APP)


def release(app: dict[str, Any], version: int, *, objects: str = "artifacts", self_test: bool = True) -> dict[str, Any]:
    """The app with another image, whose objects are in the container `objects`."""
    changed = copy.deepcopy(app)
    (container,) = changed["template"]["containers"]
    container["image"] = f"registry/engine:{version}"
    container["probes"] = probes(self_test=self_test)
    container["env"].append({"name": "VISION_RELEASE", "value": str(version)})
    (url,) = [variable for variable in container["env"] if variable["name"] == "VISION_ENGINE_OBJECTS_URL"]
    url["value"] = url["value"].replace("artifacts", objects)
    return changed


def test_a_release_that_cannot_answer_gets_no_traffic_and_going_back_is_one_setting(
    app: dict[str, Any],
    state: State,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    weights_dir: Path,  # noqa: F811 - the fixture
) -> None:
    state.add(directory.CONTAINER, f"{ARTIFACTS}-empty")
    state.assign(CONTRIBUTOR, "engine-object", f"{ARTIFACTS}-empty")
    outputs = told.apply(CONTAINER_APP, APP, release(app, 1), {"configuration": app["configuration"]})
    exported = export(weights_dir, ["cat", "dog"])
    (tmp_path / "model.onnx").write_bytes(exported.onnx)
    with VisionClient(f"https://{outputs['configuration']['ingress']['fqdn']}", KEY) as client:

        def answers() -> bool:
            try:
                return client.analyze("live", drawn_image(0, 900)).custom_model_result is not None
            except VisionError:
                return False

        client.import_artifact("m", tmp_path / "model.onnx", exported.metadata)
        client.publish_model("live", "m")
        told.apply(CONTAINER_APP, APP, release(app, 2), {})
        assert answers()

        # The broken one starts, and its database answers: but it looks for its models in an empty container.
        monkeypatch.setattr(container_app, "START_SECONDS", 20)
        with pytest.raises(WorldFailure, match=r"Failed to provision revision .*probe Startup of /selftest: answered 503"):
            told.apply(CONTAINER_APP, APP, release(app, 3, objects="artifacts-empty"), {})
        assert answers(), "the former revision goes on"

        told.apply(CONTAINER_APP, APP, release(app, 4, objects="artifacts-empty", self_test=False), {})
        assert requests.get(f"{client.endpoint}/healthz", timeout=60).status_code == 200
        assert not answers(), "without the self-test it gets the traffic"
        told.apply(CONTAINER_APP, APP, release(app, 2), {})
        assert answers(), "back by the image of before"
