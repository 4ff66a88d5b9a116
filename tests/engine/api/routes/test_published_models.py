"""Published names as callers see them: their gates, their owners and their history."""

from typing import Any

import pytest

from tests.support.api_world import World
from vision_customization.contract.models import ModelPerformance


def publish(world: World, model: str = "m", **fields: object) -> Any:  # noqa: ANN401
    return world.call("PUT", "publishedmodels/live", json={"modelName": model, **fields})


def test_a_name_without_extensions_is_what_it_was(world: World) -> None:
    world.train("m")
    reply = publish(world)
    assert reply.status_code == 201
    assert reply.json().keys() == {"name", "modelName", "createdDateTime", "updatedDateTime"}
    assert world.call("GET", "publishedmodels/live").json() == reply.json()


def test_a_gate_is_kept_answered_and_removed(world: World) -> None:
    world.train("m")
    gate = {"accuracyTop1": 0.5}
    assert publish(world, require=gate).json()["require"] == gate
    assert publish(world).json()["require"] == gate
    assert world.call("GET", "publishedmodels").json()["value"][0]["require"] == gate
    assert "require" not in publish(world, require={}).json()


def test_a_model_that_misses_the_gate_is_refused_with_the_numbers(world: World) -> None:
    world.train("m")
    reply = publish(world, require={"accuracyTop1": 0.9})
    assert (reply.status_code, reply.headers["x-ms-error-code"]) == (400, "GateMissed")
    assert reply.json()["error"] == {
        "code": "GateMissed",
        "message": (
            "The model 'm' does not pass the gate of 'live' by its own estimate: accuracyTop1 is 0.5000, below the required "
            "0.9. Nothing was published. Publish a model that passes, or set another gate with `require`."
        ),
        "target": "require",
    }
    assert world.call("GET", "publishedmodels/live").status_code == 404


def test_an_evaluation_can_be_judged_instead(world: World) -> None:
    world.train("m")
    world.call("PUT", "models/m/evaluations/e", json={"evaluationParameters": {"testDatasetName": "t"}})
    body = {"require": {"accuracyTop1": 0.9}, "evaluation": "e"}
    waiting = publish(world, **body)
    assert (waiting.status_code, "only one that has succeeded can be held against a gate" in waiting.text) == (400, True)
    world.store.evaluations.finish(world.jobs.evaluations[0], ModelPerformance(accuracy_top1=0.95))
    assert publish(world, **body).status_code == 201
    missing = publish(world, evaluation="f")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "ModelEvaluationNotFound")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"require": {"accuracy": 0.5}}, "'accuracy' is not a metric; choose from accuracyTop1"),
        ({"require": {"accuracyTop1": 90}}, "accuracyTop1 is required to be 90, but metrics are between 0 and 1"),
        ({"require": {"meanAveragePrecision50": 0.5}}, "'meanAveragePrecision50' is not a metric of a Generic-Classifier"),
        ({"require": {"accuracyTop1": "high"}}, "require.accuracyTop1"),
        ({"require": [0.5]}, "require"),
        ({"managedBy": "jane"}, "managedBy"),
        ({"managedBy": f"pulumi:p/{'s' * 255}"}, "managedBy"),
    ],
)
def test_what_a_name_cannot_have_is_refused(world: World, fields: dict[str, object], said: str) -> None:
    world.train("m")
    reply = publish(world, **fields)
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "InvalidRequest")
    assert said in reply.json()["error"]["message"]


def test_a_stack_says_that_a_name_is_its_own(world: World) -> None:
    world.train("m")
    world.train("n")
    assert publish(world, managedBy="pulumi:photos/dev").json()["managedBy"] == "pulumi:photos/dev"
    assert publish(world, "n").json()["managedBy"] == "pulumi:photos/dev"
    history = world.call("GET", "publishedmodels/live/history").json()["value"]
    assert [(entry["modelName"], entry["publishedBy"]) for entry in history] == [("n", "API"), ("m", "pulumi:photos/dev")]


def test_the_history_is_read_in_pages_also_of_a_name_that_is_gone(world: World) -> None:
    for model in ("m", "n"):
        world.train(model)
        publish(world, model)
    world.call("DELETE", "publishedmodels/live")
    world.call("DELETE", "models/m")
    first = world.call("GET", "publishedmodels/live/history?top=1").json()
    [newest] = first["value"]
    assert newest.keys() == {"modelName", "publishedDateTime", "publishedBy", "available"}
    assert (newest["modelName"], newest["available"]) == ("n", True)
    [oldest] = world.call("GET", first["nextLink"], version=None).json()["value"]
    assert (oldest["modelName"], oldest["available"]) == ("m", False)
    nothing = world.call("GET", "publishedmodels/other/history")
    assert (nothing.status_code, nothing.json()["error"]["code"]) == (404, "PublishedModelNotFound")
