"""A model trained in stack `dev` and promoted to stack `staging`, through the real CLI, each with an engine of its own."""

import copy
import re
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import onnx
import pytest
import requests

from tests.stacks.project import Project
from tests.stacks.shapes import draw, write_dataset
from vision_customization.common.file_digest import file_digest
from vision_customization.customization.client.client import VisionClient

pytestmark = [pytest.mark.ci, pytest.mark.stack, pytest.mark.process]

CONFIG: dict[str, Any] = {
    "platform": "local",
    "datasets": {
        "acceptance": {"annotationKind": "imageClassification", "annotationFiles": ["staging.json"], "source": "shapes"},
    },
    "models": {
        "shapes": {
            "promoteFrom": "dev",
            "evaluationDataset": "acceptance",
            "require": {"accuracyTop1": 0.6},
            "publish": True,
        }
    },
}

Stacks = tuple[Project, Project]


@pytest.fixture(scope="module")
def stacks(make_project: Callable[..., Project]) -> Iterator[Stacks]:
    """`dev` has trained and published a model; `staging` is there, and holds nothing yet."""
    dev = make_project(stack="dev")
    shapes = dev.folder / "shapes"
    write_dataset(shapes, "staging.json", {"circle": range(2000, 2010), "square": range(2000, 2010)})
    # One square among the circles: no model is perfect on it, so a gate can be just out of reach.
    draw("square", 6000).save(shapes / "images" / "circle-2009.png")
    staging = Project.create(dev.folder, CONFIG, stack="staging")
    yield dev, staging
    staging.destroy(previewed=True).succeeded()


@pytest.fixture(scope="module")
def promoted(stacks: Stacks) -> Stacks:
    dev, staging = stacks
    before_dev = staging.preview().failed().output
    assert "models.shapes.promoteFrom: stack 'dev' exports no models. Run `pulumi up --stack dev` first" in before_dev
    assert "Traceback" not in before_dev
    dev.up().succeeded()
    preview = staging.preview().succeeded().output
    model = dev.outputs()["models"]["shapes"]
    assert (
        f"promotes {model['name']} (sha256:{model['artifactDigest'][:12]}…) from dev: copies the same file, without training"
        in preview
    )
    staging.up(previewed=True).succeeded()
    return stacks


def client_of(project: Project) -> VisionClient:
    outputs = project.outputs()
    return VisionClient(outputs["endpoint"], outputs["key"])


def import_other(client: VisionClient, name: str, folder: Path) -> None:
    """In place of a model, another file that is as good: with a description in it."""
    path = folder / "other.onnx"
    metadata = client.artifact_metadata(name)
    client.download_artifact(name, path)
    model = onnx.load(path)
    model.doc_string = "somebody else's"
    onnx.save(model, path)
    metadata["artifact"]["digest"] = file_digest(path)
    client.delete_model(name)
    client.import_artifact(name, path, metadata)


def workflows(project: Project) -> list[str]:
    """The names of all that the workers of a stack's engine have begun."""
    with sqlite3.connect(project.folder / ".vision" / project.stack / "engine" / "jobs.sqlite") as database:
        return sorted(name for (name,) in database.execute("SELECT name FROM workflow_status"))


def test_the_very_file_is_promoted_and_nothing_is_trained(promoted: Stacks) -> None:
    dev, staging = promoted
    there, here = dev.outputs()["models"]["shapes"], staging.outputs()["models"]["shapes"]
    for name in ("name", "kind", "status", "artifactDigest", "trainingMinutes", "publishedName"):
        assert here[name] == there[name]
    files = []
    for project in promoted:
        client, file = client_of(project), project.folder / f"{project.stack}.onnx"
        assert client.download_artifact(there["name"], file).digest == there["artifactDigest"]
        files.append(file.read_bytes())
    assert files[0] == files[1]

    client = client_of(staging)
    [model] = client.list_models()
    assert model.training_progress is None
    assert workflows(dev) == ["evaluation", "training"]
    assert workflows(staging) == ["evaluation"]
    metrics = requests.get(f"{client.endpoint}/metrics", timeout=10).text
    assert "vision_engine_training_seconds 0.0" in metrics
    log = (staging.folder / ".vision" / "staging" / "engine" / "log.txt").read_text()
    assert '"event": "model imported"' in log
    assert client.artifact_metadata(model.name)["promotedFrom"]["stack"] == "dev"


def test_it_is_evaluated_and_published_here(promoted: Stacks) -> None:
    dev, staging = promoted
    here = staging.outputs()["models"]["shapes"]
    assert here["performance"] != dev.outputs()["models"]["shapes"]["performance"]
    client = client_of(staging)
    [evaluation] = client.list_evaluations(here["name"])
    assert evaluation.evaluation_parameters.test_dataset_name == "acceptance"
    assert evaluation.model_performance is not None
    assert evaluation.model_performance.to_wire() == here["performance"]
    assert client.get_published_model("shapes").model_name == here["name"]
    picture = (staging.folder / "shapes" / "images" / "circle-2000.png").read_bytes()
    answers = [client_of(project).analyze("shapes", picture).to_wire() for project in promoted]
    assert answers[0] == answers[1]


def test_no_change_is_no_work(promoted: Stacks) -> None:
    _, staging = promoted
    assert re.search(r"\d+ unchanged", staging.up().succeeded().output)
    staging.preview("--expect-no-changes").succeeded()
    staging.refresh("--preview-only", "--expect-no-changes").succeeded()


def test_a_model_deleted_behind_pulumis_back_is_promoted_again(promoted: Stacks) -> None:
    _, staging = promoted
    client = client_of(staging)
    [model] = client.list_models()
    client.delete_model(model.name)
    staging.refresh("--preview-only", "--expect-no-changes").failed()
    assert re.search(r"vision:PromotedModel shapes delete", staging.refresh(previewed=True).succeeded().output)
    staging.up().succeeded()
    assert [again.artifact for again in client.list_models()] == [model.artifact]
    staging.preview("--expect-no-changes").succeeded()


def test_another_model_under_the_name_is_seen_and_put_right(promoted: Stacks) -> None:
    _, staging = promoted
    client = client_of(staging)
    [model] = client.list_models()
    import_other(client, model.name, staging.folder)
    staging.refresh("--preview-only", "--expect-no-changes").failed()
    staging.refresh(previewed=True).succeeded()
    staging.up().succeeded()
    assert [again.artifact for again in client.list_models()] == [model.artifact]
    staging.preview("--expect-no-changes").succeeded()


def test_a_new_model_passes_its_gate_or_the_former_one_stays(promoted: Stacks) -> None:
    dev, staging = promoted
    client = client_of(staging)
    former = client.get_published_model("shapes").model_name
    write_dataset(dev.folder / "shapes", "train.json", {"circle": range(15), "square": range(10)})
    dev.up().succeeded()
    model = dev.outputs()["models"]["shapes"]
    assert model["name"] != former
    assert f"promotes {model['name']}" in staging.preview().succeeded().output

    config = copy.deepcopy(CONFIG)
    config["models"]["shapes"]["require"] = {"accuracyTop1": 0.99}
    staging.configure(config)
    output = staging.up().failed().output
    assert re.search(r"accuracyTop1 is 0\.\d{4}, below the required 0\.99", output)
    assert client.get_published_model("shapes").model_name == former

    staging.configure(CONFIG)
    staging.up().succeeded()
    assert client.get_published_model("shapes").model_name == model["name"]
    assert [here.name for here in client.list_models()] == [model["name"]]
    assert "training" not in workflows(staging)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"promoteFrom": "staging"}, "which is this stack itself"),
        ({"promoteFrom": "nowhere"}, "nowhere"),
    ],
)
def test_what_cannot_be_promoted_is_an_error_before_anything_is_made(
    promoted: Stacks, change: dict[str, str], said: str
) -> None:
    _, staging = promoted
    config = copy.deepcopy(CONFIG)
    config["models"]["shapes"].update(change)
    staging.configure(config)
    try:
        output = staging.up().failed().output
        assert said in output
        assert "Traceback" not in output
    finally:
        staging.configure(CONFIG)


def test_no_key_leaves_its_place(promoted: Stacks) -> None:
    for project in promoted:
        secrets = [other.outputs()["key"] for other in promoted]
        for text in (*project.printed, project.state()):
            assert not any(secret in text for secret in secrets)
