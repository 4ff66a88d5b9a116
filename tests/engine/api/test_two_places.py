"""Objects that refuse, and a database that does: what each route answers then, and what it leaves."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlalchemy.exc import OperationalError

from tests.support.api_world import World
from tests.support.exported_model import Exported, put
from vision_customization.contract.errors import FailureCode
from vision_customization.contract.models import ModelPerformance
from vision_customization.contract.wire import ErrorDetails
from vision_customization.engine.models.importing import sweep_imports, sweep_models
from vision_customization.engine.objects.keys import artifact_key, model_key, outcomes_key
from vision_customization.engine.objects.store import ObjectsUnavailable

REFUSALS = {
    "folder": OSError(28, "No space left on device"),
    "container": ObjectsUnavailable("The container of the engine's objects, https://a/c, answers 403."),
}
GENERAL = "Something went wrong inside the engine."

Refuse = Callable[..., None]


@pytest.fixture(params=REFUSALS)
def refuse(request: pytest.FixtureRequest, world: World, monkeypatch: pytest.MonkeyPatch) -> Refuse:
    """Lets these methods of the objects refuse, for the keys that contain `of`."""

    def refuse_methods(*methods: str, of: str = "") -> None:
        for method in methods:
            real = getattr(world.objects, method)

            def refusing(key: str, *arguments: object, real: Callable[..., object] = real, **named: object) -> object:
                if of in key:
                    raise REFUSALS[request.param]
                return real(key, *arguments, **named)

            monkeypatch.setattr(world.objects, method, refusing)

    return refuse_methods


@pytest.fixture
def agree(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """The objects, and the database, work again."""
    return monkeypatch.undo


def failed(reply: httpx.Response) -> bool:
    message = reply.json()["error"]["message"]
    return (reply.status_code == 500 and message.startswith(GENERAL)) or (
        reply.status_code == 507 and message.startswith("The disk of the data folder")
    )


def test_a_model_is_deleted_and_its_files_are_swept(world: World, refuse: Refuse, agree: Callable[[], None]) -> None:
    other, model_id = world.train("other"), world.train("m")
    refuse("delete")
    assert world.call("DELETE", "models/m").status_code == 204
    assert world.call("GET", "models/m").status_code == 404
    assert world.models.forgotten == [model_id]
    assert world.objects.exists(artifact_key(model_id))
    agree()
    sweep_models(world.store, world.objects)
    assert world.objects.names("models") == [other]
    assert world.train("m") != model_id, "the name is free"


def test_an_evaluation_is_deleted_and_its_outcomes_go_with_the_model(
    world: World, refuse: Refuse, agree: Callable[[], None]
) -> None:
    model_id = world.train("m")
    world.call("PUT", "models/m/evaluations/e", json={"evaluationParameters": {"testDatasetName": "cats"}})
    (evaluation_id,) = world.jobs.evaluations
    world.store.evaluations.begin(evaluation_id)
    world.store.evaluations.finish(evaluation_id, ModelPerformance(calibration_ece=0.25))
    world.objects.put(rows := f"{outcomes_key(model_id, evaluation_id)}/rows", b"")
    refuse("delete")
    assert world.call("DELETE", "models/m/evaluations/e").status_code == 204
    assert world.call("GET", "models/m/evaluations/e").status_code == 404
    agree()
    assert world.call("DELETE", "models/m").status_code == 204
    assert not world.objects.exists(rows)


def test_a_run_is_deleted_without_the_objects(world: World, refuse: Refuse) -> None:
    world.train_detector("r")
    assert world.call("PUT", "productrecognition/r/runs/x", content=world.shelf_image).status_code == 201
    (run_id,) = world.jobs.recognitions
    world.store.runs.begin(run_id)
    world.store.runs.fail(run_id, ErrorDetails(code=FailureCode.UNKNOWN.value, message="no"))
    refuse("delete", "put", "get", "exists", "names", "path")
    assert world.call("DELETE", "productrecognition/r/runs/x").status_code == 204
    assert world.call("GET", "productrecognition/r/runs/x").status_code == 404


@pytest.mark.parametrize(("path", "method"), [("models/m/artifact", "path"), ("models/m/artifact:metadata", "get")])
def test_a_download_that_is_refused_can_be_asked_for_again(
    world: World, refuse: Refuse, agree: Callable[[], None], path: str, method: str
) -> None:
    world.train("m")
    refuse(method)
    assert failed(world.call("GET", path))
    agree()
    assert world.call("GET", path).status_code == 200


@pytest.mark.parametrize("methods", [("put",), ("put", "delete")])
def test_a_run_whose_image_cannot_be_kept_is_not_there(
    world: World, refuse: Refuse, agree: Callable[[], None], methods: tuple[str, ...]
) -> None:
    world.train_detector("r")
    refuse(*methods)
    assert failed(world.call("PUT", "productrecognition/r/runs/x", content=world.shelf_image))
    assert world.jobs.recognitions == []
    assert world.call("GET", "productrecognition/r/runs/x").status_code == 404
    agree()
    assert world.call("PUT", "productrecognition/r/runs/x", content=world.shelf_image).status_code == 201


@pytest.mark.parametrize("of", ["imports/", "head.npz", "model.json", "model.onnx"])
def test_an_import_whose_files_cannot_be_kept_is_not_there(
    world: World, exported: Exported, refuse: Refuse, agree: Callable[[], None], of: str
) -> None:
    refuse("put", of=of)
    refuse("delete")
    assert failed(put(world, exported))
    assert world.call("GET", "models/m").status_code == 404
    agree()
    assert put(world, exported).status_code == 201
    assert world.call("GET", "models/m/artifact").content == exported.onnx


def test_an_import_that_cannot_be_tidied_up_is_whole(
    world: World, exported: Exported, refuse: Refuse, agree: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse("delete")
    assert put(world, exported).status_code == 201
    agree()
    assert len(world.objects.names("imports")) == 1
    monkeypatch.setattr("vision_customization.engine.models.importing._LEFT_BEHIND_SECONDS", 0.0)
    sweep_imports(world.store, world.objects)
    assert world.objects.names("imports") == []
    assert world.call("GET", "models/m/artifact").content == exported.onnx


def test_an_imported_model_that_cannot_be_loaded_is_imported(
    world: World, exported: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse_load(model_id: str) -> None:
        raise REFUSALS["container"]

    monkeypatch.setattr(world.models, "load", refuse_load)
    assert put(world, exported).status_code == 201
    assert world.call("GET", "models/m").json()["status"] == "succeeded"


def locked(*_: object, **__: object) -> None:
    raise OperationalError("UPDATE", {}, Exception("database is locked"))


def test_a_cancellation_that_was_accepted_stands(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.create("m")
    monkeypatch.setattr(world.store.models, "cancel", locked)
    reply = world.call("POST", "models/m:cancel")
    assert (reply.status_code, reply.json()["status"]) == (202, "cancelling")
    assert world.store.models.cancellation_requested(world.store.models.find("m").id), "the caretaker cancels it"


@pytest.mark.parametrize(
    ("path", "sent", "part"),
    [
        ("models/n", {"json": {"trainingParameters": {"trainingDatasetName": "d", "timeBudgetInHours": 1}}}, "models"),
        ("models/r/evaluations/n", {"json": {"evaluationParameters": {}}}, "evaluations"),
        ("productrecognition/r/runs/n", {"content": b"image"}, "runs"),
    ],
)
def test_what_can_neither_be_queued_nor_undone_is_at_its_end(
    world: World, monkeypatch: pytest.MonkeyPatch, path: str, sent: dict[str, Any], part: str
) -> None:
    world.train_detector("r")
    world.jobs.broken = True
    monkeypatch.setattr(getattr(world.store, part), "delete", locked)
    arguments = {"content": world.shelf_image} if "content" in sent else sent
    assert failed(world.call("PUT", path, **arguments))
    assert world.call("GET", path).json()["status"] in ("cancelled", "failed")
    monkeypatch.undo()
    world.jobs.broken = False
    assert world.call("DELETE", path).status_code == 204
    assert world.call("PUT", path, **arguments).status_code == 201


@pytest.mark.parametrize("mark", [True, False])
def test_the_sweep_leaves_what_is_imported(world: World, mark: bool) -> None:
    trained = world.train("m")
    world.objects.put(f"{model_key('half')}/model.json", b"{}")
    if mark:
        world.objects.put("imports/half", b"0")
    sweep_models(world.store, world.objects)
    assert world.objects.names("models") == sorted([trained, *(["half"] if mark else [])])


def test_the_sweep_leaves_what_is_trained(world: World) -> None:
    world.create("m")
    model_id = world.store.models.find("m").id
    world.objects.put(f"{model_key(model_id)}/head.npz", b"")
    sweep_models(world.store, world.objects)
    assert world.objects.names("models") == [model_id]


def test_the_sweep_reads_the_rows_last(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An import that ends between two of the three lists is seen in the one or the other."""
    world.train("m")
    model_id = world.train("n")
    read: list[str] = []
    names, model_ids = world.objects.names, world.store.models.ids
    monkeypatch.setattr(world.objects, "names", lambda prefix: read.append(prefix) or names(prefix))
    monkeypatch.setattr(world.store.models, "ids", lambda: read.append("rows") or model_ids())
    sweep_models(world.store, world.objects)
    assert read == ["models", "imports", "rows"]
    assert model_id in world.objects.names("models")


def test_files_of_which_the_database_knows_none_stay(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """The engine was started with a database that is not the one of these files."""
    world.objects.put(artifact_key("a"), b"")
    world.create("m")
    sweep_models(world.store, world.objects)
    assert world.objects.names("models") == ["a"]
    assert "None of the 1 models with stored files is in the database" in caplog.text
