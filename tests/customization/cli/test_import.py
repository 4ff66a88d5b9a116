"""`vision import customvision` and `vision compare`, from the command to what is in the folder."""

import hashlib
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from azure.storage.blob import BlobClient

from stacks.settings import read_settings
from tests.customization.azurite import ACCOUNT, ACCOUNT_KEY, PROGRAM, azurite
from tests.customization.cli.ran import Vision
from tests.customization.fake_service import Answer, FakeService, Received
from tests.customization.samples import encoded
from tests.support.custom_vision import KEY, ROOT, StandIn, StoredProject, stand_in
from tests.support.places import DOCS

LEFT, RIGHT = (0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 0.5, 1.0)
PAGE = (DOCS / "custom-vision.md").read_text("utf-8")


@pytest.fixture
def custom_vision(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """In place of the environment's Custom Vision."""
    with stand_in() as service:
        monkeypatch.setenv("VISION_CUSTOMVISION_ENDPOINT", service.url)
        monkeypatch.setenv("VISION_CUSTOMVISION_KEY", KEY)
        yield service


def chairs(custom_vision: StandIn, count: int = 10) -> tuple[StoredProject, list[str]]:
    """A project for detection; every image has a chair to the left."""
    project = custom_vision.add_project("Office chairs")
    tag = custom_vision.add_tag(project, "chair")
    ids = [custom_vision.add_image(project, encoded(n), regions=((tag, LEFT),)) for n in range(count)]
    return project, ids


def test_a_project_becomes_a_dataset_a_baseline_and_a_stack(vision: Vision, custom_vision: StandIn, tmp_path: Path) -> None:
    project, ids = chairs(custom_vision)
    custom_vision.add_image(project, encoded(90))
    old = custom_vision.add_iteration(project, "Iteration 1", (0.9, 0.8, 0.987), published="chairs")
    custom_vision.add_iteration(project, "Iteration 2", (0.5, 0.5, 0.5))
    custom_vision.add_prediction(project, old, ids[0], [("chair", 0.75, LEFT)])
    custom_vision.add_prediction(project, old, "an-image-that-was-deleted", [])
    (tmp_path / "Pulumi.yaml").write_text("name: vision-customization\n")
    ran = vision("import", "customvision", "--project", "Office chairs", "--output", "chairs")
    assert ran.code == 0, ran.err
    assert KEY not in ran.out + ran.err
    assert "chairs/train.json: 8 images" in ran.out
    assert "chairs/test.json: 2 images" in ran.out
    assert re.search(r"1 image +untagged", ran.out)
    assert "1 prediction of the iteration left out" in ran.err
    assert "iteration 'Iteration 1', its metrics, and its predictions for 1 image" in ran.out

    baseline = json.loads((tmp_path / "chairs" / "baseline.json").read_text("utf-8"))
    assert [iteration["name"] for iteration in baseline["iterations"]] == ["Iteration 2", "Iteration 1"]
    assert baseline["iterationId"] == old
    assert baseline["predictions"].keys() == {f"images/{ids[0]}.png"}

    written = ran.out[ran.out.index("config:") :]
    config = yaml.safe_load(written)["config"]
    settings = read_settings({key: json.dumps(value) for key, value in config.items()}, "dev", written)
    model = settings.models["office-chairs"]
    assert (model.model_kind, model.require) == ("Generic-Detector", {"meanAveragePrecision30": 0.95})
    dataset = settings.datasets[str(model.training_dataset)]
    assert (dataset.source, dataset.annotation_files) == ("chairs", ["train.json"])
    assert vision("check", "chairs/train.json").code in (0, 1)  # images of 64 × 48 px may be too small

    before = dict(custom_vision.loads)
    again = vision("import", "customvision", "--project", project.id, "--output", "chairs", "--json", "--name", "seats")
    assert again.code == 0
    assert custom_vision.loads == before
    assert again.json["files"] == {"chairs/train.json": 8, "chairs/test.json": 2}
    assert list(again.json["stack"]["models"]) == ["seats"]
    assert again.json["read"]["images"] == 11


def test_an_image_that_was_deleted_in_the_project_does_not_stop_the_next_import(
    vision: Vision, custom_vision: StandIn, tmp_path: Path
) -> None:
    project, ids = chairs(custom_vision)
    arguments = ("import", "customvision", "--project", "Office chairs", "--output", "chairs", "--json")
    assert vision(*arguments).code == 0
    del project.images[ids[0]]
    ran = vision(*arguments)
    assert ran.code == 0, ran.err
    assert sum(ran.json["files"].values()) == 9
    [gone] = [remark for remark in ran.json["remarks"] if remark["effect"] == "changed"]
    assert (gone["what"], gone["places"]) == ("image", [str((tmp_path / "chairs" / "images" / f"{ids[0]}.png").resolve())])


def test_a_project_with_several_tags_per_image(vision: Vision, custom_vision: StandIn, tmp_path: Path) -> None:
    project = custom_vision.add_project("weather", "Classification", "Multilabel")
    tags = [custom_vision.add_tag(project, name) for name in ("rain", "wind")]
    negative = custom_vision.add_tag(project, "Negative", "Negative")
    for n in range(4):
        custom_vision.add_image(project, encoded(n), tuple(tags[: 1 + n % 2]))
    custom_vision.add_image(project, encoded(4), (negative,))
    ran = vision("import", "customvision", "--project", "weather", "--output", "w", "--test-share", 0, "--json")
    assert ran.code == 0, ran.err
    assert ran.json["annotationKind"] == "imageMultiLabelClassification"
    document = json.loads((tmp_path / "w" / "train.json").read_text("utf-8"))
    assert [category["name"] for category in document["categories"]] == ["rain", "wind"]
    assert len(document["images"]) == 5
    assert len(document["annotations"]) == 6
    assert not (tmp_path / "w" / "test.json").exists()
    assert ran.json["stack"]["models"]["weather"] == {
        "modelKind": "Generic-Classifier", "trainingDataset": "weather-train", "timeBudgetInHours": 1, "publish": True,
    }  # fmt: skip


@pytest.mark.process
@pytest.mark.skipif(PROGRAM is None, reason="Azurite is not installed: make setup")
def test_the_datasets_are_uploaded_to_a_container(vision: Vision, custom_vision: StandIn, tmp_path: Path) -> None:
    project = custom_vision.add_project("chairs")
    tag = custom_vision.add_tag(project, "chair")
    for n in range(20):
        custom_vision.add_image(project, encoded(n, (80, 60)), regions=((tag, LEFT),), size=(80, 60))
    (tmp_path / "blobs").mkdir()
    with azurite(tmp_path / "blobs") as storage:
        container = storage.container("training")
        arguments = ("--container", container, "--account-key", ACCOUNT_KEY, "--json")
        ran = vision("import", "customvision", "--project", "chairs", "--output", "chairs", *arguments)
        assert ran.code == 0, ran.err
        for dataset in ran.json["stack"]["datasets"].values():
            (uri,) = dataset["annotationFileUris"]
            blob = BlobClient.from_blob_url(uri, {"account_name": ACCOUNT, "account_key": ACCOUNT_KEY})
            assert uri.startswith(container)
            assert json.loads(blob.download_blob().readall())["images"]


def test_saved_answers_with_a_folder_of_images(vision: Vision, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for n in range(6):
        (tmp_path / "photos" / f"{n}.png").write_bytes(encoded(n))
    tags = [{"tagId": "1", "tagName": "cat"}, {"tagId": "2", "tagName": "dog"}]
    images = [{"id": str(n), "tags": [tags[n % 2]]} for n in range(7)]
    (tmp_path / "pets.json").write_text(json.dumps(images))
    ran = vision("import", "customvision", "pets.json", "--images", "photos", "--output", "data", "--json")
    assert ran.code == 0, ran.err
    assert sum(ran.json["files"].values()) == 6
    assert [(remark["reason"], remark["places"]) for remark in ran.json["remarks"] if remark["what"] == "image"] == [
        ("its file is missing", ["6"])
    ]
    assert len(list((tmp_path / "data" / "images").iterdir())) == 6
    assert vision("check", "data/train.json").code in (0, 1)
    (tmp_path / "Pulumi.yaml").write_text("name: pets-program\nruntime: python\n")
    ran = vision("import", "customvision", "pets.json", "--images", "photos", "--output", "data")
    printed = ran.out.partition("Add this to the stack's file (Pulumi.<stack>.yaml):")[2]
    assert list(yaml.safe_load(printed)["config"]) == ["pets-program:datasets", "pets-program:models"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "pass --endpoint and --project of the service, or FILES and --images"),
        (["--project", "p", "--name", "a b"], "'a b' is not a valid name"),
        (["saved.json"], "pass the folder of their images with --images"),
        (["saved.json", "--project", "p", "--images", "."], "leave out --project"),
    ],
)
def test_wrong_usage(vision: Vision, custom_vision: StandIn, tmp_path: Path, arguments: list[str], expected: str) -> None:
    (tmp_path / "saved.json").write_text("[]")
    ran = vision("import", "customvision", "--output", "out", *arguments)
    assert (ran.code, expected in ran.err) == (2, True), ran.err


@pytest.mark.parametrize(
    ("iteration", "expected"),
    [("Iteration 7", "no trained iteration 'Iteration 7'. Its trained iterations are: 'Iteration 1'")],
)
def test_an_unknown_iteration_is_told_before_anything_is_loaded(
    vision: Vision, custom_vision: StandIn, iteration: str, expected: str
) -> None:
    project, _ = chairs(custom_vision, 2)
    custom_vision.add_iteration(project, "Iteration 1", (1, 1, 1))
    ran = vision("import", "customvision", "--project", "Office chairs", "--output", "out", "--iteration", iteration)
    assert ran.code == 3
    assert expected in ran.err
    assert not custom_vision.loads


def imported(vision: Vision, custom_vision: StandIn, predictions: bool) -> None:
    project, ids = chairs(custom_vision, 4)
    iteration = custom_vision.add_iteration(project, "Iteration 1", (0.5, 0.25, 0.75))
    if predictions:
        for number, id_ in enumerate(ids[:3]):
            box = LEFT if number < 2 else RIGHT
            found = [("chair", 0.9 - number / 10, box), ("chair", 0.19, LEFT)]  # our models don't answer with the second
            custom_vision.add_prediction(project, iteration, id_, found)
    arguments = ("--project", "Office chairs", "--output", "chairs", "--test-share", 0)
    assert vision("import", "customvision", *arguments).code == 0


def answer_with(service: FakeService, box: dict[str, int]) -> None:
    def handler(request: Received) -> Answer:
        if hashlib.sha256(request.body).digest() == hashlib.sha256(encoded(1)).digest():
            return Answer(400, {"error": {"code": "InvalidRequest", "message": "too odd"}})
        found: dict[str, Any] = {"id": "1", "boundingBox": box, "tags": [{"name": "chair", "confidence": 0.8}]}
        result = {"objectsResult": {"values": [found]}}
        return Answer(200, {"customModelResult": result, "modelVersion": "v", "metadata": {"width": 64, "height": 48}})

    service.handler = handler


def test_both_are_scored_on_the_same_images(vision: Vision, custom_vision: StandIn, service: FakeService) -> None:
    imported(vision, custom_vision, predictions=True)
    answer_with(service, {"x": 0, "y": 0, "w": 32, "h": 48})
    ran = vision("compare", "chairs/baseline.json", "chairs", "--json")
    assert ran.code == 1  # an image that can't be analyzed
    assert ran.json["sameImages"] is True
    assert len(ran.json["images"]) == 2
    assert sorted(one["reason"] for one in ran.json["leftOut"]) == ["the baseline has no prediction for it", "too odd"]
    assert ran.json["overall"]["customVision"] == {"precision": 0.5, "recall": 0.5, "averagePrecision": 0.5}
    assert ran.json["overall"]["model"] == {"precision": 1.0, "recall": 1.0, "averagePrecision": 1.0}
    ran = vision("compare", "chairs/baseline.json", "chairs")
    assert re.search(r"chair +2 +0\.500 +1\.000 +0\.500 +1\.000 +0\.500 +1\.000", ran.out)
    assert "both on the same 2 images (probability 0.5, overlap 0.3)" in ran.out
    assert "may have been trained on the images of chairs/train.json" in ran.err
    Path("chairs/train.json").rename("chairs/test.json")
    assert "may have been trained" not in vision("compare", "chairs/baseline.json", "chairs").err
    assert "1 image left out: too odd: images/" in ran.err


def test_without_predictions_custom_visions_own_metrics_are_shown(
    vision: Vision, custom_vision: StandIn, service: FakeService
) -> None:
    imported(vision, custom_vision, predictions=False)
    answer_with(service, {"x": 32, "y": 0, "w": 32, "h": 48})
    ran = vision("compare", "chairs/baseline.json", "chairs", "--images", "chairs/train.json", "--json")
    assert ran.json["sameImages"] is False
    assert ran.json["overall"]["customVision"] == {"precision": 0.5, "recall": 0.25, "averagePrecision": 0.75}
    assert ran.json["tags"]["chair"]["model"] == {"precision": 0.0, "recall": 0.0, "averagePrecision": 0.0}
    assert "These are not the same images" in vision("compare", "chairs/baseline.json", "chairs").out


@pytest.mark.parametrize("text", ["{", "[]", '{"projectId": 1}'])
def test_a_file_that_is_not_a_baseline_is_refused(vision: Vision, tmp_path: Path, text: str) -> None:
    (tmp_path / "b.json").write_text(text)
    (tmp_path / "test.json").write_text("{}")
    ran = vision("compare", "b.json", "m")
    assert ran.code == 3
    assert "b.json" in ran.err


def test_the_steps_of_the_page_do_what_they_say(
    vision: Vision, custom_vision: StandIn, service: FakeService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, ids = chairs(custom_vision)
    iteration = custom_vision.add_iteration(project, "Iteration 1", (0.9, 0.8, 0.987), published="chairs")
    for id_ in ids:
        custom_vision.add_prediction(project, iteration, id_, [("chair", 0.75, LEFT)])
    answer_with(service, {"x": 0, "y": 0, "w": 32, "h": 48})
    from_service, from_files, comparison = (
        shlex.split(line)[1:] for line in re.findall(r"^\$ (vision .*)", PAGE, re.MULTILINE)
    )
    assert vision(*from_service).code == 0
    ran = vision(*comparison)
    assert f"ours: model '{comparison[2]}'; both on the same 2 images" in ran.out

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for file, path in {"tagged-1": "images/tagged?take=7", "tagged-2": "images/tagged?take=7&skip=7", "tags": "tags"}.items():
        answer = custom_vision.answer("GET", f"{ROOT}/projects/{project.id}/{path}", KEY, b"")
        (elsewhere / f"{file}.json").write_text(json.dumps(answer))
    (tmp_path / "chairs" / "images").rename(elsewhere / "photos")
    monkeypatch.chdir(elsewhere)
    assert vision(*from_files).code == 0
    for name in ("train.json", "test.json"):
        one, other = (json.loads((folder / "chairs" / name).read_text("utf-8")) for folder in (elsewhere, tmp_path))
        assert all(image.pop("copy_of") for image in (*one["images"], *other["images"]))
        assert one == other
