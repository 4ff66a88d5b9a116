"""Snippets, pasted as they stand, against an engine that runs."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

import pytest
import uvicorn

from tests.engine.outcomes.made import made_outcomes
from tests.support.api_world import KEYS, World, image_bytes
from tests.support.judged import COUNT, train_judged
from tests.support.waiting import wait_until
from vision_customization.contract.enums import AnnotationKind, ModelKind
from vision_customization.contract.models import Artifact, ModelPerformance
from vision_customization.contract.outcomes import OutcomeFilter
from vision_customization.engine.objects.keys import estimate_key
from vision_customization.engine.outcomes.cells import CellFilter
from vision_customization.engine.outcomes.stored import put_outcomes
from vision_customization.engine.runtime.listening import listening
from vision_customization.engine.store import TrainingOrder
from vision_customization.engine.store.draft_records import NewDraftImage
from vision_customization.engine.studio.judging.selection import Selection
from vision_customization.engine.studio.judging.sources import Source
from vision_customization.engine.studio.snippets import Snippet
from vision_customization.engine.studio.snippets.analyze import Picture, analyze_snippets
from vision_customization.engine.studio.snippets.datasets import dataset_snippets
from vision_customization.engine.studio.snippets.draft_import import FILE, import_snippets, new_snippets
from vision_customization.engine.studio.snippets.drafts import label_snippets
from vision_customization.engine.studio.snippets.judging import comparison_snippets, judge_snippets, pictures_snippets
from vision_customization.engine.studio.snippets.models import published_snippets, training_snippets
from vision_customization.engine.studio.snippets.overview import overview_snippets

PHOTO = 'it\'s $(touch hacked) "a" photo.jpg'
URL = "https://pictures.example/it's-$(touch hacked).jpg"
SECRET_URL = "https://acct.blob.core.windows.net/c/photo.jpg?sig=secret"
ORDER = TrainingOrder(training_dataset_name="1e3", time_budget_in_hours=1, model_kind=ModelKind.GENERIC_CLASSIFIER)


@pytest.fixture
def endpoint(world: World) -> Iterator[str]:
    world.register("1e3")
    world.create("m", trainingDatasetName="1e3")
    model_id = world.store.models.find("m").id
    world.store.models.begin(model_id)
    world.objects.put(f"models/{model_id}/model.onnx", b"onnx")
    world.objects.put(f"models/{model_id}/model.json", b'{"labels":["cat"]}')
    artifact = Artifact(digest=sha256(b"onnx").hexdigest(), size_bytes=4)
    world.store.models.finish(model_id, ModelPerformance(accuracy_top1=0.5), 1, artifact)
    world.train_detector("d", ModelKind.GENERIC_DETECTOR)
    world.blobs.content = {URL: image_bytes("JPEG"), SECRET_URL: image_bytes("JPEG")}
    with listening("127.0.0.1", 0) as listener:
        running = uvicorn.Server(uvicorn.Config(world.call.app, log_config=None, access_log=False, lifespan="off"))
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
        thread.start()
        wait_until(lambda: running.started, "the API listens", 10)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        running.should_exit = True
        thread.join()


def run(snippets: list[Snippet], language: str, folder: Path, written: Sequence[str] = ()) -> str:
    """What a snippet prints where it is pasted, beside the picture; also what it says on standard error. Fails if it leaves
    other files than those `written`."""
    shims = folder / "bin"
    shims.mkdir()
    program = "from vision_customization.customization.cli.program import main; main()"
    (shims / "vision").write_text(f"#!/bin/sh\nexec {sys.executable} -c '{program}' \"$@\"\n")
    (shims / "vision").chmod(0o755)
    (folder / PHOTO).write_bytes(image_bytes("JPEG"))
    text = dict(snippets)[language]
    command = [sys.executable, "-"] if language.startswith("Python") else ["bash", "-euo", "pipefail", "-s"]
    path = f"{shims}:{os.environ['PATH']}"
    environment = {**os.environ, "VISION_KEY": KEYS[0], "NO_PROXY": "127.0.0.1", "PATH": path, "IMAGE_URL": SECRET_URL}
    environment.pop("VISION_ENDPOINT", None)
    done = subprocess.run(
        command, input=text.encode(), cwd=folder, env=environment, capture_output=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr.decode()
    assert {file.name for file in folder.iterdir()} == {PHOTO, "bin", *written}, "nothing but the snippet ran"
    return done.stdout.decode() + done.stderr.decode()


@pytest.mark.parametrize(
    ("model", "kind", "picture"),
    [
        ("m", ModelKind.GENERIC_CLASSIFIER, Picture(PHOTO)),
        ("m", ModelKind.GENERIC_CLASSIFIER, Picture(url=URL)),
        ("m", ModelKind.GENERIC_CLASSIFIER, Picture(url=SECRET_URL)),
        ("d", ModelKind.GENERIC_DETECTOR, Picture(PHOTO)),
    ],
    ids=["file", "url", "secret url", "detector"],
)
@pytest.mark.parametrize("language", ["curl", "Python", "Python with requests", "CLI"])
def test_a_picture_is_analyzed(
    model: str, kind: ModelKind, picture: Picture, language: str, endpoint: str, tmp_path: Path
) -> None:
    told = run(analyze_snippets(endpoint, model, kind, picture, 0.5), language, tmp_path)
    assert "d\u00f6g" in told
    assert "0.62" in told


@pytest.mark.parametrize("language", ["curl", "Python", "CLI"])
def test_what_exists_is_shown(language: str, world: World, endpoint: str, tmp_path: Path) -> None:
    dataset = world.store.datasets.find("1e3")
    for name, snippets, says in (
        ("overview", overview_snippets(endpoint), "1e3"),
        ("published", published_snippets(endpoint, "leaves", "m", ORDER), "leaves"),
        ("dataset", dataset_snippets(endpoint, dataset), "imageClassification"),
        ("training", training_snippets(endpoint, "m", ORDER), "0.5"),
    ):
        if name == "dataset" and language == "CLI":
            continue  # its second command is for another engine: here the name is taken, which ends the shell
        folder = tmp_path / name
        folder.mkdir()
        exported = ("m.onnx", "m.json") if (name, language) == ("training", "CLI") else ()
        assert says in run(snippets, language, folder, exported)


@pytest.mark.parametrize("language", ["curl", "Python"])
def test_outcomes_are_asked_for(language: str, world: World, endpoint: str, tmp_path: Path) -> None:
    put_outcomes(world.objects, estimate_key(world.store.models.find("m").id), made_outcomes(COUNT))
    train_judged(world, "n", seed=1)
    first, second = (Source(world.store.models.find(name)) for name in ("m", "n"))
    for number, (snippets, says) in enumerate(
        (
            (judge_snippets(endpoint, first), "beech"),
            (pictures_snippets(endpoint, first, Selection(OutcomeFilter.WRONG)), "https://host/c/"),
            (pictures_snippets(endpoint, first, Selection(cell=CellFilter("\u00f6ak", "\u00f6ak"))), "https://host/c/"),
            (pictures_snippets(endpoint, first, Selection(OutcomeFilter.FALSE, "\u00f6ak", threshold=0.3)), "https://host/c/"),
            (comparison_snippets(endpoint, first, second), "right" if language == "Python" else "onlyFirst"),
        )
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert says in run(snippets, language, folder)


@pytest.mark.parametrize("kind", [AnnotationKind.IMAGE_CLASSIFICATION, AnnotationKind.IMAGE_OBJECT_DETECTION])
def test_an_image_is_labelled(kind: AnnotationKind, world: World, endpoint: str, tmp_path: Path) -> None:
    draft = world.store.drafts.create("1e3", kind, "1e3", world.container.url, "ada")
    world.store.drafts.add("1e3", [NewDraftImage("0" * 64, ".png", "0.png", 60, 80)], "ada")
    assert '"changed' in run(label_snippets(endpoint, draft, 0), "curl", tmp_path)
    image = world.store.drafts.image(draft.sequence, 0)
    assert image is not None
    assert [label.tag for label in image.labels] == ["TAG"]


@pytest.mark.parametrize("language", ["curl", "Python"])
@pytest.mark.parametrize("kind", list(AnnotationKind))
def test_a_draft_gets_a_picture_with_labels(
    kind: AnnotationKind, language: str, world: World, endpoint: str, tmp_path: Path
) -> None:
    world.store.drafts.create("1e4", kind, "1e4", world.container.url, "ada")
    (tmp_path / FILE).write_bytes(image_bytes("JPEG"))
    assert "0" in run(import_snippets(endpoint, "1e4", kind), language, tmp_path, [FILE])
    draft = world.store.drafts.find("1e4")
    [image] = world.store.drafts.all_images(draft.sequence)
    assert (image.file_name, [label.tag for label in image.labels]) == (FILE, ["ash"])


@pytest.mark.parametrize("language", ["curl", "Python", "CLI"])
def test_a_draft_begins_from_nothing(language: str, world: World, endpoint: str, tmp_path: Path) -> None:
    run(new_snippets(endpoint), language, tmp_path)
    draft = world.store.drafts.find("leaves")
    assert [tag.name for tag in world.store.drafts.tags(draft.sequence)] == ["ash", "beech"]
