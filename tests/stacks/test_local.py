"""The local stack, through the real CLI, on the real engine and Azurite."""

import json
import os
import re
import signal
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.stacks.processes import processes_in
from tests.stacks.project import Project
from tests.stacks.shapes import draw, write_dataset
from vision_customization.customization.client.client import VisionClient

pytestmark = [pytest.mark.stack, pytest.mark.process]

TRAIN = {"circle": range(10), "square": range(10)}


@pytest.fixture(scope="module")
def project(make_project: Callable[..., Project]) -> Project:
    project = make_project()
    project.up().succeeded()
    return project


@pytest.fixture
def deployed(project: Project, config: dict[str, Any]) -> Project:
    """The project as every test finds it: ten images per tag, deployed."""
    project.configure(config)
    write_dataset(project.folder / "shapes", "train.json", TRAIN)
    project.up(previewed=True).succeeded()
    return project


@pytest.fixture
def picture(tmp_path: Path) -> bytes:
    path = tmp_path / "circle.png"
    draw("circle", 5000).save(path)
    return path.read_bytes()


def client_of(project: Project) -> VisionClient:
    outputs = project.outputs()
    return VisionClient(outputs["endpoint"], outputs["key"])


def test_up_trains_gates_and_publishes(deployed: Project, picture: bytes) -> None:
    outputs = deployed.outputs()
    assert outputs["datasets"]["shapes-train"]["tags"] == {"circle": 10, "square": 10}
    assert outputs["datasets"]["shapes-train"]["images"] == 20
    model = outputs["models"]["shapes"]
    assert model["name"].startswith("shapes-")
    assert model["status"] == "succeeded"
    assert model["publishedName"] == "shapes"
    client = client_of(deployed)
    owner = "pulumi:vision-customization/local"
    assert {(dataset.custom_properties or {}).get("managedBy") for dataset in client.list_datasets()} == {owner}
    assert client.get_model(model["name"]).managed_by == client.get_published_model("shapes").managed_by == owner
    assert next(client.publication_history("shapes")).published_by == owner
    assert model["performance"]["accuracyTop1"] >= 0.6
    answer = client_of(deployed).analyze("shapes", picture)
    assert answer.custom_model_result is not None
    assert answer.custom_model_result.tags_result is not None
    assert {tag.name for tag in answer.custom_model_result.tags_result.values} == {"circle", "square"}


def test_no_change_is_no_work(deployed: Project) -> None:
    models = [model.to_wire() for model in client_of(deployed).list_models()]
    assert re.search(r"\d+ unchanged", deployed.up().succeeded().output)
    deployed.preview("--expect-no-changes").succeeded()
    deployed.refresh("--preview-only", "--expect-no-changes").succeeded()
    deployed.refresh("--expect-no-changes").succeeded()
    deployed.preview("--expect-no-changes").succeeded()
    assert [model.to_wire() for model in client_of(deployed).list_models()] == models


def test_five_more_images_cost_five_images_and_no_failed_call(deployed: Project, picture: bytes) -> None:
    write_dataset(deployed.folder / "shapes", "train.json", {**TRAIN, "circle": range(15)})
    preview = deployed.preview().succeeded().output
    assert "5 images added to 'circle' (10 → 15)" in preview
    assert re.search(r"retrains because dataset 'shapes-train' changes \(circle 10 → 15\); about \d+ s of 1 h", preview)

    client, stop, failures = client_of(deployed), threading.Event(), []

    def poll() -> None:
        while not stop.wait(0.1):
            try:
                client.analyze("shapes", picture)
            except Exception as error:  # noqa: BLE001 - whatever fails is what the test is for
                failures.append(error)

    poller = threading.Thread(target=poll)
    poller.start()
    try:
        deployed.up(previewed=True).succeeded()
    finally:
        stop.set()
        poller.join()
    assert failures == []
    [model] = client.list_models()
    assert model.training_progress is not None
    assert (model.training_progress.images_read, model.training_progress.images_embedded) == (5, 5)
    assert client.get_published_model("shapes").model_name == model.name


def test_a_budget_that_this_engine_cannot_keep_is_refused_by_the_preview_and_by_the_engine_in_the_same_words(
    deployed: Project, config: dict[str, Any]
) -> None:
    slow = ("embedded_image_seconds", 1000.0, 1_000_000.0)
    database = deployed.folder / ".vision" / deployed.stack / "engine" / "engine.sqlite"
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("INSERT OR REPLACE INTO speeds (work, units, seconds) VALUES (?, ?, ?)", slow)
    try:
        config["models"]["shapes"]["timeBudgetInHours"] = 2
        deployed.configure(config)
        refused = (
            "A budget of 2 h is not enough for 20 images: the shortest training from them is estimated to take 5.6 h. "
            "Set timeBudgetInHours to 6, or use fewer images."
        )
        output = deployed.preview().failed().output
        assert refused in " ".join(output.split()), output
        client = client_of(deployed)
        client.create_model("slow", training_dataset_name="shapes-train", time_budget_in_hours=2)
        model = client.wait_for_model("slow", 120, raise_on_failure=False)
        assert model.error is not None
        assert (model.error.code, model.error.message) == ("notEnoughBudget", refused)
        client.delete_model("slow")
    finally:
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("DELETE FROM speeds")


def test_a_gate_keeps_the_old_model_serving(deployed: Project, config: dict[str, Any], picture: bytes) -> None:
    client = client_of(deployed)
    former = client.get_published_model("shapes").model_name
    write_dataset(deployed.folder / "shapes", "train.json", {"circle": range(20, 29), "square": range(20, 29)})
    config["models"]["shapes"]["require"] = {"accuracyTop1": 0.99}
    deployed.configure(config)
    output = deployed.up().failed().output
    assert re.search(r"accuracyTop1 is 0\.\d{4}, below the required 0\.99", output)
    assert client.get_published_model("shapes").model_name == former
    client.analyze("shapes", picture)

    trained = {model.name for model in client.list_models()}
    config["models"]["shapes"]["require"] = {"accuracyTop1": 0.5}
    deployed.configure(config)
    deployed.up().succeeded()
    published = client.get_published_model("shapes").model_name
    assert published != former
    assert published in trained


def test_a_gate_that_is_raised_is_judged_before_and_without_training(deployed: Project, config: dict[str, Any]) -> None:
    models = {model.name for model in client_of(deployed).list_models()}
    config["models"]["shapes"]["require"] = {"accuracyTop1": 0.99}
    deployed.configure(config)
    assert "the update will stop at this gate: accuracyTop1 is" in deployed.preview().output
    assert "below the required 0.99" in deployed.up(previewed=True).failed().output
    assert {model.name for model in client_of(deployed).list_models()} == models


def test_a_forced_replacement_takes_over_and_deletes_nothing(deployed: Project, picture: bytes) -> None:
    client = client_of(deployed)
    [model], [published] = client.list_models(), client.list_published_models()
    processes = processes_in(deployed.folder)
    kinds = ("Dataset", "Model", "Evaluation", "PublishedModel", "LocalService")
    urns = [found["urn"] for found in resources(deployed) if found["type"].rpartition(":")[2] in kinds]
    replaced = [option for urn in urns for option in ("--replace", urn)]
    output = deployed.run("up", "--yes", "--stack", deployed.stack, *replaced).succeeded().output
    assert len(urns) == 7
    assert "+-7 replaced" in output
    assert "kept, because its replacement now uses it" in output
    assert [found.to_wire() for found in client.list_models()] == [model.to_wire()]
    assert [found.to_wire()["modelName"] for found in client.list_published_models()] == [published.model_name]
    assert len(list(client.list_datasets())) == 2
    assert len(list(client.list_evaluations(model.name))) == 1
    assert processes_in(deployed.folder) == processes
    client.analyze("shapes", picture)
    deployed.preview("--expect-no-changes").succeeded()
    deployed.refresh("--preview-only", "--expect-no-changes").succeeded()


def test_a_tainted_model_is_taken_over(deployed: Project, picture: bytes) -> None:
    client = client_of(deployed)
    [model] = client.list_models()
    [urn] = [resource["urn"] for resource in resources(deployed) if resource["type"].endswith("vision:Model")]
    deployed.run("state", "taint", "--yes", "--stack", deployed.stack, urn).succeeded()
    deployed.up().succeeded()
    assert [found.to_wire() for found in client.list_models()] == [model.to_wire()]
    client.analyze("shapes", picture)
    deployed.preview("--expect-no-changes").succeeded()


def test_a_delete_left_by_an_interrupted_replacement_spares_the_replacement(deployed: Project, picture: bytes) -> None:
    client = client_of(deployed)
    [model] = client.list_models()
    state = json.loads(deployed.run("stack", "export", "--stack", deployed.stack).succeeded().output)
    for resource in list(state["deployment"]["resources"]):
        if resource["type"].endswith(("vision:Model", "vision:PublishedModel", "vision:Evaluation", "vision:Dataset")):
            state["deployment"]["resources"].append({**resource, "delete": True})
    file = deployed.folder / "edited.json"
    file.write_text(json.dumps(state))
    deployed.run("stack", "import", "--stack", deployed.stack, "--file", str(file)).succeeded()
    deployed.up().succeeded()
    assert [found.to_wire() for found in client.list_models()] == [model.to_wire()]
    client.analyze("shapes", picture)
    assert len(list(client.list_datasets())) == 2
    assert not any(resource.get("delete") for resource in resources(deployed))


def resources(project: Project) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(project.state())["checkpoint"]["latest"]["resources"]
    return found


def test_a_model_deleted_behind_pulumis_back_is_seen_and_trained_again(deployed: Project, picture: bytes) -> None:
    client = client_of(deployed)
    [model] = client.list_models()
    client.delete_model(model.name)
    deployed.refresh("--preview-only", "--expect-no-changes").failed()
    refreshed = deployed.refresh(previewed=True).succeeded().output
    assert re.search(r"vision:Model shapes delete", refreshed)
    deployed.up().succeeded()
    assert [again.name for again in client.list_models()] == [model.name]
    client.analyze("shapes", picture)


def test_a_dataset_changed_behind_pulumis_back_is_put_right(deployed: Project) -> None:
    client = client_of(deployed)
    before = client.get_dataset("shapes-test").annotation_file_uris
    client.update_dataset("shapes-test", custom_properties={"touched": "yes"})
    deployed.refresh("--preview-only", "--expect-no-changes").failed()
    deployed.refresh(previewed=True).succeeded()
    deployed.up().succeeded()
    dataset = client.get_dataset("shapes-test")
    assert dataset.custom_properties == {"managedBy": "pulumi:vision-customization/local"}
    assert dataset.annotation_file_uris == before


def test_a_dataset_that_lies_in_blob_storage_is_registered_as_it_is(deployed: Project, config: dict[str, Any]) -> None:
    uris = client_of(deployed).get_dataset("shapes-train").annotation_file_uris
    config["datasets"]["there"] = {"annotationKind": "imageClassification", "annotationFileUris": uris}
    deployed.configure(config)
    deployed.up().succeeded()
    assert client_of(deployed).get_dataset("there").annotation_file_uris == uris
    deployed.preview("--expect-no-changes").succeeded()
    deployed.refresh("--preview-only", "--expect-no-changes").succeeded()
    config["datasets"]["there"]["annotationFileUris"] = [uris[0].replace("annotations/", "nowhere/")]
    deployed.configure(config)
    assert "nowhere/" in deployed.preview().failed().output


def test_a_renamed_tag_is_a_rename_and_a_retraining(deployed: Project, config: dict[str, Any]) -> None:
    for name in ("train.json", "test.json"):
        path = deployed.folder / "shapes" / name
        path.write_text(path.read_text().replace('"name": "circle"', '"name": "disc"'))
    preview = deployed.preview().succeeded().output
    assert "tag 'circle' renamed to 'disc' (10 images)" in preview
    assert "retrains because dataset 'shapes-train' changes" in preview
    write_dataset(deployed.folder / "shapes", "test.json", {"circle": range(1000, 1010), "square": range(1000, 1010)})


def test_a_stopped_engine_is_seen_and_started_again(deployed: Project, picture: bytes) -> None:
    note = json.loads((deployed.folder / ".vision" / "local" / "engine" / "service.json").read_text())
    os.kill(note["pid"], signal.SIGKILL)
    deployed.refresh("--preview-only", "--expect-no-changes").failed()
    assert "not running, and will be restarted" in deployed.preview().succeeded().output
    deployed.up(previewed=True).succeeded()
    client_of(deployed).analyze("shapes", picture)
    deployed.preview("--expect-no-changes").succeeded()


def test_no_secret_leaves_its_place(project: Project) -> None:
    """After all of the above, failures included: no key and no signature in state, in logs, or in what the CLI printed."""
    outputs = project.outputs()
    exported = project.run("stack", "export", "--show-secrets", "--stack", "local")
    deployment = json.loads(exported.output)["deployment"]
    project.printed.remove(exported.output)
    secrets = {outputs["key"]}
    for resource in deployment["resources"]:
        for name in ("value", "account_key", "sas_token", "key"):
            secret = (resource.get("outputs") or {}).get(name)
            if isinstance(secret, dict):
                secrets.add(json.loads(secret["plaintext"]))
    signatures = {found for secret in secrets for found in re.findall(r"sig=([^&]+)", secret)}
    assert len(secrets) >= 3  # the engine's key, the storage account's, and the container's token
    assert signatures
    places = {"what the CLI printed": "\n".join(project.printed), "the state file": project.state()}
    for path in (project.folder / ".vision").rglob("*.txt"):
        places[str(path)] = path.read_text(errors="replace")
    assert any("engine/log.txt" in place for place in places)
    for place, text in places.items():
        for secret in secrets | signatures:
            assert secret not in text, f"a secret in {place}"
