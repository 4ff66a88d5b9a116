"""A stack whose state names its providers as they were called before their modules moved, through the real CLI."""

import json
from collections.abc import Callable

import pytest

from tests.stacks.project import Project
from tests.support.places import CHECKOUT
from vision_customization.customization.client.client import VisionClient

pytestmark = [pytest.mark.ci, pytest.mark.stack, pytest.mark.process]

FORMER: dict[str, str] = json.loads(
    (CHECKOUT / "tests" / "customization" / "resources" / "former_providers.json").read_text("utf-8")
)


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


def owners(client: VisionClient) -> set[str | None]:
    datasets = {(dataset.custom_properties or {}).get("managedBy") for dataset in client.list_datasets()}
    models = {model.managed_by for model in client.list_models()}
    return datasets | models | {published.managed_by for published in client.list_published_models()}


def test_a_stack_from_before_there_were_owners_records_them_once_and_trains_nothing(
    make_project: Callable[..., Project],
) -> None:
    project = make_project()
    project.up().succeeded()
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
    done = project.up().succeeded().output
    for unwanted in ("replaced", "created", "deleted", "retrains", "uploaded"):
        assert unwanted not in done, done
    assert project.outputs() == outputs
    assert owners(client) == {"pulumi:vision-customization/local"}
    assert [model.to_wire() for model in client.list_models()] == models
    project.preview("--expect-no-changes").succeeded()
    project.refresh("--preview-only", "--expect-no-changes").succeeded()


def test_a_former_state_is_updated_once_and_nothing_is_trained_or_replaced(make_project: Callable[..., Project]) -> None:
    project = make_project()
    for room in ("components", "customization"):  # the program's folder is a checkout's
        (project.folder / room).symlink_to(CHECKOUT / room)
    project.up().succeeded()
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
    done = project.up().succeeded().output
    assert "updated" in done
    for unwanted in ("replaced", "created", "deleted", "retrains"):
        assert unwanted not in done, done
    assert project.outputs() == outputs
    assert [model.to_wire() for model in client.list_models()] == models
    assert [dataset.to_wire() for dataset in client.list_datasets()] == datasets
    assert not any(serialized in project.state() for serialized in FORMER.values())
    project.preview("--expect-no-changes").succeeded()

    write_former_providers(project)  # and so that state is destroyed
