"""`studioLabelling` through the real CLI: the engine's right to add blobs, defined, used and taken away again."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from policy.report import table
from policy.state import resources_in, violations_of
from tests.stacks.azure.environment import Environment
from tests.stacks.azure.services import AzureWorld
from tests.stacks.shapes import draw
from vision_customization.components.azure.blob_adder import LABEL
from vision_customization.components.azure.roles import ADD_BLOBS, READ_BLOBS, adder_id

pytestmark = [pytest.mark.ci, pytest.mark.stack, pytest.mark.process, pytest.mark.postgresql]

NOTHING_CHANGED = "--expect-no-changes"
VARIABLE = "VISION_ENGINE_STUDIO_CONTAINER"
VERSION = "api-version=2023-04-01-preview"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AzureWorld]:
    with AzureWorld(tmp_path_factory.mktemp("azure")) as world:
        yield world


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory, world: AzureWorld) -> Iterator[Environment]:
    """`dev` without datasets and models, and with a Studio where people label."""
    dev = Environment.of(tmp_path_factory.mktemp("environments"), "dev", world, {})
    dev.configure({**dev.config(), "models": {}})
    switch(dev, on=True)
    yield dev
    dev.destroy(previewed=True).succeeded()


def switch(dev: Environment, *, on: bool) -> None:
    config = dev.config()
    config["azure"] |= {"studio": True, "studioLabelling": on}
    dev.configure(config)


def variables(dev: Environment) -> dict[str, dict[str, Any]]:
    """The environment variables of each app."""
    return {
        found["inputs"]["containerAppName"]: {
            variable["name"]: variable.get("value") for variable in found["inputs"]["template"]["containers"][0]["env"]
        }
        for found in dev.azure.resources("app:ContainerApp").values()
    }


def call(dev: Environment, world: AzureWorld, method: str, path: str, **sent: Any) -> requests.Response:  # noqa: ANN401
    outputs = dev.outputs()
    return requests.request(
        method,
        f"{outputs['endpoint']}/computervision/drafts/{path}",
        headers={"Ocp-Apim-Subscription-Key": outputs["key"]},
        verify=str(world.authority.ca_file),
        timeout=60,
        **sent,
    )


def test_a_deployer_who_may_not_define_roles_learns_it_from_the_preview(dev: Environment) -> None:
    caller = dev.azure.subscription.scenario().get("caller", {})
    dev.azure.scenario(caller={**caller, "notActions": ["Microsoft.Authorization/roleDefinitions/write"]})
    try:
        refused = dev.preview().failed().output
    finally:
        dev.azure.scenario(caller=caller)
    assert "'User Access Administrator' (to define the role" in refused
    assert "Missing permissions: Microsoft.Authorization/roleDefinitions/write. Nothing was created." in refused
    assert dev.azure.resources() == {}


def test_the_engine_adds_pictures_with_its_own_role(dev: Environment, world: AzureWorld, tmp_path: Path) -> None:
    dev.up().succeeded()
    dev.preview(NOTHING_CHANGED).succeeded()
    dev.refresh("--preview-only", NOTHING_CHANGED).succeeded()

    (account,) = dev.azure.resources("storage:StorageAccount")
    ((definition, defined),) = dev.azure.resources("authorization:RoleDefinition").items()
    assert definition.endswith(
        f"/resourceGroups/vision-dev/providers/Microsoft.Authorization/roleDefinitions/{adder_id(account)}"
    )
    assert defined["inputs"]["permissions"] == [
        {"actions": [], "notActions": [], "dataActions": [READ_BLOBS, ADD_BLOBS], "notDataActions": []}
    ]
    ((assignment, _),) = assigned(dev, account)
    assert assignment.startswith(f"{account}/blobServices/default/containers/training/")

    exported = json.loads(dev.run("stack", "export", "--stack", "dev").succeeded().output)
    assert [str(found) for found in violations_of(exported, {}) if found.rule.name.startswith("role-")] == []
    assert f"roleName: {LABEL} ({account.rpartition('/')[2]})<br>" in table(resources_in(exported))

    apps = variables(dev)
    assert str(apps["vision-dev-engine"][VARIABLE]).endswith("/training")
    assert VARIABLE not in apps["vision-dev-worker"]

    begun = call(dev, world, "PUT", f"leaves?{VERSION}", json={"annotationKind": "imageClassification"})
    assert begun.status_code == 201, begun.text
    picture = tmp_path / "circle.png"
    draw("circle", 1).save(picture)
    for status in (201, 200):
        added = call(dev, world, "POST", f"leaves/images?{VERSION}&fileName=circle.png", data=picture.read_bytes())
        assert added.status_code == status, added.text


def test_off_again_it_takes_role_and_container_away(dev: Environment, world: AzureWorld) -> None:
    switch(dev, on=False)
    plan = dev.preview().succeeded().output
    assert "3 to delete" in plan, plan  # definition, assignment, and the component of both
    dev.up(previewed=True).succeeded()
    dev.preview(NOTHING_CHANGED).succeeded()
    (account,) = dev.azure.resources("storage:StorageAccount")
    assert dev.azure.resources("authorization:RoleDefinition") == {}
    assert assigned(dev, account) == []
    assert all(VARIABLE not in found for found in variables(dev).values())
    refused = call(dev, world, "PUT", f"more?{VERSION}", json={"annotationKind": "imageClassification"})
    assert refused.status_code == 400
    assert VARIABLE in refused.text


def assigned(dev: Environment, account: str) -> list[tuple[str, dict[str, Any]]]:
    """The assignments of the stack's own role."""
    return [
        (id_, found)
        for id_, found in dev.azure.resources("authorization:RoleAssignment").items()
        if found["inputs"]["roleDefinitionId"].endswith(f"/{adder_id(account)}")
    ]
