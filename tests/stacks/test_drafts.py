"""People label in a draft while a stack declares the dataset, and bring what they did to git: real CLI, engine and Azurite."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.stacks.project import Project
from tests.stacks.shapes import draw
from tests.support.waiting import wait_until
from vision_customization.contract.content import ImageLabel
from vision_customization.contract.drafts import BatchImage, DatasetVersion, DraftImage
from vision_customization.contract.model_names import trained_name
from vision_customization.customization.cli import main
from vision_customization.customization.client.client import VisionClient
from vision_customization.customization.errors import AlreadyExists, BadRequest

pytestmark = [pytest.mark.ci, pytest.mark.stack, pytest.mark.process, pytest.mark.timeout(1200)]

OWNER = "pulumi:vision-customization/local"
WAIT_SECONDS = 120


@pytest.fixture(scope="module")
def project(make_project: Callable[..., Project]) -> Project:
    project = make_project()
    project.up().succeeded()
    return project


@pytest.fixture
def client(project: Project) -> VisionClient:
    outputs = project.outputs()
    return VisionClient(outputs["endpoint"], outputs["key"])


def vision(project: Project, monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    outputs = project.outputs()
    monkeypatch.chdir(project.folder)
    monkeypatch.setenv("VISION_ENDPOINT", outputs["endpoint"])
    monkeypatch.setenv("VISION_KEY", outputs["key"])
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def patiently(call: Callable[[], Any]) -> Any:  # noqa: ANN401 - what the call returns
    """Its answer once a worker has read the dataset's content."""
    answers: list[Any] = []

    def answered() -> bool:
        try:
            answers.append(call())
        except BadRequest as error:
            if "not read yet" not in str(error):
                raise
            return False
        return True

    wait_until(answered, "the content is read", WAIT_SECONDS)
    return answers[0]


def images(client: VisionClient, name: str = "work") -> dict[str, DraftImage]:
    return {image.file_name: image for image in client.draft_images(name).value}


def set_tag(client: VisionClient, image: DraftImage, tag: str) -> None:
    [result] = client.label_draft_images(
        "work", [BatchImage(number=image.number, labels=[ImageLabel(tag=tag)], e_tag=image.e_tag)]
    )
    assert result.saved


def picture(folder: Path, number: int) -> bytes:
    path = folder / f"drawn-{number}.png"
    draw("circle", number).save(path)
    return path.read_bytes()


def train(client: VisionClient, version: DatasetVersion) -> str:
    """Train from a version under the name that the stack would train under, as the Studio does. Returns the name."""
    beside = f"shapes-train-{version.digest[:8]}"
    with pytest.raises(AlreadyExists, match="declares the dataset 'shapes-train', so only the stack changes it"):
        client.register_version(version.dataset_name, version.digest, replace=True)
    client.register_version(version.dataset_name, version.digest, name=beside)
    name = trained_name("shapes", model_kind="Generic-Classifier", training_digest=version.digest, time_budget_in_hours=1)
    client.create_model(name, training_dataset_name=beside)
    client.wait_for_model(name, WAIT_SECONDS)
    return name


def changed_lines(former: str, file: Path) -> tuple[int, int]:
    """How many lines `git diff` says were added and removed."""
    before = file.with_suffix(".former")
    before.write_text(former, "utf-8")
    command = ["git", "diff", "--no-index", "--numstat", str(before), str(file)]
    added, removed, *_ = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
    before.unlink()
    return int(added), int(removed)


def test_from_a_draft_to_git_and_back(
    project: Project, config: dict[str, Any], client: VisionClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {model.name for model in client.list_models()}
    patiently(lambda: client.begin_draft("work", base_dataset="shapes-train"))
    found = images(client)
    set_tag(client, found["images/circle-0.png"], "square")
    added = client.add_draft_image("work", picture(tmp_path, 7000), "new/circle-7000.png")
    set_tag(client, added, "circle")
    client.remove_draft_images("work", [found["images/square-3.png"].number])
    version = client.save_draft("work", "labels of March")
    assert version.registered == [], "the dataset is the stack's"

    # Two updates with a draft open: nothing changes, and nothing is lost.
    for _ in range(2):
        project.up().succeeded()
        project.preview("--expect-no-changes").succeeded()
    assert {model.name for model in client.list_models()} == before
    assert len(images(client)) == client.get_draft("work").images == 20

    # (a) A diff of the COCO file. The model that was trained from the version meanwhile is taken over.
    name = train(client, version)
    file = project.folder / "shapes" / "train.json"
    former = file.read_text("utf-8")
    assert vision(project, monkeypatch, "datasets", "pull", "shapes-train", "--to", file, "--images") == 0
    # One image of six lines goes and another comes, each with an annotation of five, and one annotation has another tag.
    assert sum(changed_lines(former, file)) <= 2 * (6 + 5 + 1) + 2, changed_lines(former, file)
    assert (project.folder / "shapes/new/circle-7000.png").read_bytes() == picture(tmp_path, 7000)
    preview = " ".join(project.preview().succeeded().output.split())
    assert "trained already: taken over" in preview
    assert "retrains" not in preview
    assert "1 image retagged 'circle' → 'square'" in preview
    assert "trained already: taken over" in project.up(previewed=True).succeeded().output
    project.preview("--expect-no-changes").succeeded()
    assert client.get_model(name).managed_by == OWNER
    assert client.get_published_model("shapes").model_name == name
    assert project.outputs()["datasets"]["shapes-train"]["digest"] == version.digest

    # (b) One line of the stack's file, from the same draft after it has followed its dataset.
    merge = patiently(lambda: client.merge_draft("work"))
    assert (merge.conflicts, merge.taken, merge.added) == (0, 0, 0)
    # A worker has read the file that the stack uploaded, and found the version's content in it.
    assert client.get_version("shapes-train", version.digest).registered == [
        "shapes-train",
        f"shapes-train-{version.digest[:8]}",
    ]
    assert client.get_draft("work").changed_images == 0
    set_tag(client, client.add_draft_image("work", picture(tmp_path, 7001), "new/circle-7001.png"), "circle")
    second = client.save_draft("work")
    assert second.changes == ["1 image added to 'circle' (10 → 11)"]
    config["datasets"]["shapes-train"] = {"annotationKind": "imageClassification", "content": f"sha256:{'0' * 64}"}
    project.configure(config)
    assert "is not in the container" in " ".join(project.preview().failed().output.split())
    config["datasets"]["shapes-train"]["content"] = f"sha256:{second.digest}"
    project.configure(config)
    preview = project.preview().succeeded().output
    assert "1 image added to 'circle' (10 → 11)" in preview
    assert "retrains because dataset 'shapes-train' changes (circle 10 → 11)" in preview
    project.up(previewed=True).succeeded()
    project.preview("--expect-no-changes").succeeded()
    project.refresh("--preview-only", "--expect-no-changes").succeeded()
    assert client.get_dataset("shapes-train").annotation_file_uris == [second.annotation_file_uri]
    assert client.get_draft("work").images == 21

    # Versions stay, whatever the stack goes on with: the first one by its digest again.
    config["datasets"]["shapes-train"]["content"] = f"sha256:{version.digest}"
    project.configure(config)
    project.up().succeeded()
    assert project.outputs()["datasets"]["shapes-train"]["digest"] == version.digest

    assert client.version_changes("shapes-train", version.digest, second.digest) == ["1 image removed from 'circle' (11 → 10)"]
    old = client.begin_draft("old", base_dataset="shapes-train", base_version=second.digest)
    assert (old.images, old.changed_images, old.base is not None and old.base.moved) == (21, 0, True)

    # A dataset to judge on that shares images with the training dataset: the preview names them before a metric is believed.
    config["datasets"]["shapes-test"] = {"annotationKind": "imageClassification", "content": f"sha256:{second.digest}"}
    project.configure(config)
    warned = " ".join(project.preview().succeeded().output.split())
    assert "20 images of dataset 'shapes-test' are in the training dataset, too, so the metrics will be too good" in warned
    assert "is the same picture as images/circle-" in warned
