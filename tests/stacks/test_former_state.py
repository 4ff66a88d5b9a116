"""A stack whose state names its providers as they were called before their modules moved, through the real CLI."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import requests

from tests.stacks.project import Project
from tests.support.places import CHECKOUT
from vision_customization.customization.client.client import VisionClient

pytestmark = [pytest.mark.ci, pytest.mark.stack, pytest.mark.process]

VERSION = "api-version=2023-04-01-preview"
TIMEOUT_SECONDS = 60

FORMER: dict[str, str] = json.loads(
    (CHECKOUT / "tests" / "customization" / "resources" / "former_providers.json").read_text("utf-8")
)


@pytest.fixture(scope="module")
def project(make_project: Callable[..., Project]) -> Project:
    """A deployed stack, in which each test writes a state of before, and lets an update bring it back."""
    project = make_project()
    for room in ("components", "customization"):  # the program's folder is a checkout's
        (project.folder / room).symlink_to(CHECKOUT / room)
    project.up().succeeded()
    return project


def write_former_providers(project: Project) -> None:
    """Put the former provider of each resource into the state."""
    former = {path.rpartition(".")[2].removesuffix("Provider"): serialized for path, serialized in FORMER.items()}
    path = project.state_file()
    state = json.loads(path.read_text("utf-8"))
    for resource in state["checkpoint"]["latest"]["resources"]:
        if resource["type"].startswith("pulumi-python:dynamic/vision:"):
            for properties in (resource["inputs"], resource["outputs"]):
                properties["__provider"] = former[resource["type"].rpartition(":")[2]]
    path.write_text(json.dumps(state), "utf-8")


def forget_owners(project: Project, client: VisionClient) -> None:
    """Leave state and engine as the version that knew no owners did."""
    path = project.state_file()
    state = json.loads(path.read_text("utf-8"))
    for resource in state["checkpoint"]["latest"]["resources"]:
        for properties in (resource.get("inputs") or {}, resource.get("outputs") or {}):
            properties.pop("managed_by", None)
    path.write_text(json.dumps(state), "utf-8")
    for dataset in list(client.list_datasets()):
        client.update_dataset(dataset.name, custom_properties={})
    for model in list(client.list_models()):
        client.set_model_owner(model.name, None)
    for published in list(client.list_published_models()):
        client.unpublish_model(published.name)
        client.publish_model(published.name, published.model_name)


def without_studio_container(state: dict[str, Any]) -> dict[str, Any]:
    """An export with its secrets in plain text, as the version left it whose engine could only read."""
    (container,) = of_type(state, "LocalContainer")
    for properties in (container["inputs"], container["outputs"]):
        for name in ("rights", "adding_url"):
            properties.pop(name, None)
    engine = next(service for service in of_type(state, "LocalService") if service["urn"].endswith("-engine"))
    for properties in (engine["inputs"], engine["outputs"]):
        hidden = properties["environment"]
        environment = json.loads(hidden["plaintext"])
        del environment["VISION_ENGINE_STUDIO_CONTAINER"]
        hidden["plaintext"] = json.dumps(environment)
    return state


def of_type(state: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The resources of one of this project's types in an export."""
    return [found for found in state["deployment"]["resources"] if found["type"] == f"pulumi-python:dynamic/vision:{name}"]


def exported(project: Project) -> dict[str, Any]:
    """The stack's state, with its secrets in plain text."""
    file = project.folder / "exported.json"
    project.run("stack", "export", "--show-secrets", "--file", str(file), "--stack", project.stack).succeeded()
    state: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return state


def owners(client: VisionClient) -> set[str | None]:
    datasets = {(dataset.custom_properties or {}).get("managedBy") for dataset in client.list_datasets()}
    models = {model.managed_by for model in client.list_models()}
    return datasets | models | {published.managed_by for published in client.list_published_models()}


def test_a_stack_from_before_there_were_owners_records_them_once_and_trains_nothing(project: Project) -> None:
    outputs = project.outputs()
    client = VisionClient(outputs["endpoint"], outputs["key"])
    models = [model.to_wire() for model in client.list_models()]
    forget_owners(project, client)
    assert owners(client) == {None}

    project.refresh("--expect-no-changes").succeeded()
    plan = project.preview().succeeded().output
    assert "4 to update" in plan, plan
    for unwanted in ("to replace", "to create", "to delete", "retrains"):
        assert unwanted not in plan, plan
    done = project.up(previewed=True).succeeded().output
    for unwanted in ("replaced", "created", "deleted", "retrains", "uploaded"):
        assert unwanted not in done, done
    assert project.outputs() == outputs
    assert owners(client) == {"pulumi:vision-customization/local"}
    assert [model.to_wire() for model in client.list_models()] == models
    project.preview("--expect-no-changes").succeeded()
    project.refresh("--preview-only", "--expect-no-changes").succeeded()


def test_an_engine_that_could_only_read_gets_its_container_and_nothing_else_changes(project: Project) -> None:
    outputs = project.outputs()
    client = VisionClient(outputs["endpoint"], outputs["key"])
    models = [model.to_wire() for model in client.list_models()]
    datasets = [dataset.to_wire() for dataset in client.list_datasets()]
    former = without_studio_container(exported(project))
    file = project.folder / "former.json"
    file.write_text(json.dumps(former), "utf-8")
    project.run("stack", "import", "--file", str(file), "--stack", project.stack).succeeded()

    project.refresh("--expect-no-changes").succeeded()
    plan = project.preview().succeeded().output
    assert "to update" in plan, plan
    for unwanted in ("to replace", "to create", "to delete", "retrains"):
        assert unwanted not in plan, plan
    done = project.up(previewed=True).succeeded().output
    for unwanted in ("replaced", "created", "deleted", "retrains", "uploaded"):
        assert unwanted not in done, done
    assert "2 updated" in done, done
    assert project.outputs() == outputs
    assert [model.to_wire() for model in client.list_models()] == models
    assert [dataset.to_wire() for dataset in client.list_datasets()] == datasets
    project.preview("--expect-no-changes").succeeded()
    project.refresh("--preview-only", "--expect-no-changes").succeeded()
    drafts, key = f"{outputs['endpoint']}/computervision/drafts", {"Ocp-Apim-Subscription-Key": outputs["key"]}
    begun = requests.put(
        f"{drafts}/leaves?{VERSION}", json={"annotationKind": "imageClassification"}, headers=key, timeout=TIMEOUT_SECONDS
    )
    assert begun.status_code == 201, begun.text
    picture = (project.folder / "shapes" / "images" / "circle-1000.png").read_bytes()
    added = requests.post(
        f"{drafts}/leaves/images?{VERSION}&fileName=1000.png", data=picture, headers=key, timeout=TIMEOUT_SECONDS
    )
    assert added.status_code == 201, added.text


def test_a_former_state_is_updated_once_and_nothing_is_trained_or_replaced(project: Project) -> None:
    """Last: the stack is destroyed from such a state."""
    outputs = project.outputs()
    client = VisionClient(outputs["endpoint"], outputs["key"])
    models = [model.to_wire() for model in client.list_models()]
    datasets = [dataset.to_wire() for dataset in client.list_datasets()]

    write_former_providers(project)
    project.refresh("--expect-no-changes").succeeded()
    plan = project.preview().succeeded().output
    assert "to update" in plan
    for unwanted in ("to replace", "to create", "to delete", "retrains"):
        assert unwanted not in plan, plan
    done = project.up(previewed=True).succeeded().output
    assert "updated" in done
    for unwanted in ("replaced", "created", "deleted", "retrains"):
        assert unwanted not in done, done
    assert project.outputs() == outputs
    assert [model.to_wire() for model in client.list_models()] == models
    assert [dataset.to_wire() for dataset in client.list_datasets()] == datasets
    assert not any(serialized in project.state() for serialized in FORMER.values())
    project.preview("--expect-no-changes").succeeded()

    write_former_providers(project)  # and so that state is destroyed
