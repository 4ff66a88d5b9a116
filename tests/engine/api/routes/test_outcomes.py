"""Outcomes of models and evaluations, and label issues, as the API serves them."""

import json
import re
from urllib.parse import urlsplit

import pytest

from tests.engine.outcomes.made import TAGS, made_objects, made_outcomes
from tests.support.api_world import World
from tests.support.places import DOCS
from vision_customization.contract.models import ModelPerformance
from vision_customization.contract.outcomes import LabelIssues, OutcomePage
from vision_customization.engine.objects.keys import estimate_key, older_curves_key, outcomes_key, sidecar_key
from vision_customization.engine.outcomes.stored import put_outcomes

COUNT = 150
EXPECTED = [dict(outcome.wire) for outcome in made_outcomes(COUNT, training=True).images]
WRONG = [wire for wire in EXPECTED if not wire["right"]]


def train(world: World, name: str = "m", *, count: int = COUNT) -> str:
    """A model with an estimate of its training images; returns its id."""
    model_id = world.train(name)
    put_outcomes(world.objects, estimate_key(model_id), made_outcomes(count, training=True))
    return model_id


def evaluate(world: World, name: str = "e", *, outcomes: bool = True) -> tuple[str, str]:
    """The ids of model `m` and its evaluation, which has succeeded."""
    model_id = world.store.models.find("m").id
    world.call("PUT", f"models/m/evaluations/{name}", json={"evaluationParameters": {"testDatasetName": "cats"}})
    evaluation_id = world.jobs.evaluations[-1]
    world.store.evaluations.begin(evaluation_id)
    if outcomes:
        put_outcomes(world.objects, outcomes_key(model_id, evaluation_id), made_outcomes(40))
    world.store.evaluations.finish(evaluation_id, ModelPerformance())
    return model_id, evaluation_id


def test_outcomes_come_in_pages_the_worst_first(world: World) -> None:
    train(world)
    found, path = [], "models/m/outcomes?top=100&only=wrong"
    while path:
        reply = world.call("GET", path).json()
        OutcomePage.model_validate(reply)
        assert reply["count"] == len(WRONG)
        found += reply["value"]
        link = urlsplit(reply.get("nextLink", ""))
        path = link.path and f"{link.path}?{link.query.rpartition('&api-version')[0]}"
    assert found == WRONG
    assert len(world.call("GET", "models/m/outcomes").json()["value"]) == 10


def test_a_page_has_the_form_that_is_documented(world: World) -> None:
    train(world)
    served = world.call("GET", "models/m/outcomes?only=wrong").json()
    section = (DOCS / "rest.md").read_text("utf-8").partition("## Outcomes\n")[2]
    shown = re.findall(r"```json\n(.*?)```", section, re.DOTALL)[0]
    documented = json.loads(shown)
    assert documented.keys() == served.keys()
    assert documented["value"][0].keys() - {"fileName"} == served["value"][0].keys() - {"likelyLabels"}


def test_outcomes_of_a_tag(world: World) -> None:
    train(world)
    reply = world.call("GET", "models/m/outcomes?only=missed&tag=%C3%B6ak&top=5").json()
    missed = [wire for wire in WRONG if wire["labels"] == ["öak"]]
    assert (reply["count"], reply["value"]) == (len(missed), missed[:5])
    assert "only=missed&tag=%C3%B6ak" in reply["nextLink"]


def test_outcomes_of_a_cell_of_the_confusion(world: World) -> None:
    train(world)
    cells = world.call("GET", "models/m/outcomes:confusion").json()["cells"]
    [count] = [cell["count"] for cell in cells if (cell["label"], cell["answer"]) == ("öak", "ash")]
    reply = world.call("GET", "models/m/outcomes?label=%C3%B6ak&answer=ash&top=2").json()
    OutcomePage.model_validate(reply)
    assert (reply["count"], reply["cellCount"]) == (count, count)
    in_cell = [wire for wire in WRONG if (wire["labels"][0], wire["tags"][0]["name"]) == ("öak", "ash")]
    assert reply["value"] == in_cell[:2]
    assert "label=%C3%B6ak&answer=ash" in reply["nextLink"]
    assert "cellCount" not in world.call("GET", "models/m/outcomes").json()


@pytest.mark.parametrize(("query", "row"), [("unlabelled=true", "unlabelled=true"), ("unanswered=1", "unanswered=true")])
def test_cells_without_a_label_or_an_answer(world: World, query: str, row: str) -> None:
    model_id = world.train("m")
    put_outcomes(world.objects, estimate_key(model_id), made_objects(100))
    reply = world.call("GET", f"models/m/outcomes?{query}&top=3").json()
    cells = world.call("GET", "models/m/outcomes:confusion").json()["cells"]
    absent = "label" if "unlabelled" in query else "answer"
    assert reply["cellCount"] == sum(cell["count"] for cell in cells if absent not in cell) > reply["count"] > 3
    assert row in reply["nextLink"]


def test_an_evaluation_has_outcomes_of_its_own(world: World) -> None:
    train(world)
    evaluate(world)
    reply = world.call("GET", "models/m/evaluations/e/outcomes").json()
    assert (reply["count"], len(reply["value"])) == (40, 10)
    confusion = world.call("GET", "models/m/evaluations/e/outcomes:confusion").json()
    assert (confusion["images"], confusion["tags"]) == (40, list(TAGS))
    assert set(world.call("GET", "models/m/evaluations/e/outcomes:curves").json()["tags"]) == set(TAGS)
    assert world.call("GET", "models/m/outcomes:confusion").json()["images"] == COUNT
    assert "overall" in world.call("GET", "models/m/outcomes:curves").json()


def test_a_model_with_a_test_dataset_shows_the_outcomes_of_that(world: World) -> None:
    body = {
        "trainingParameters": {"trainingDatasetName": "cats", "timeBudgetInHours": 1, "modelKind": "Generic-Classifier"},
        "evaluationParameters": {"testDatasetName": "cats-test"},
    }
    assert world.call("PUT", "models/m", json=body).status_code == 201
    model_id = world.succeed(world.store.models.find("m").id)
    put_outcomes(world.objects, estimate_key(model_id), made_outcomes(COUNT, training=True))
    assert world.call("GET", "models/m/outcomes").status_code == 404
    put_outcomes(world.objects, outcomes_key(model_id), made_outcomes(30))
    assert world.call("GET", "models/m/outcomes").json()["count"] == 30
    world.register("cats")
    assert world.call("GET", "datasets/cats/labelissues").json()["count"] == COUNT


def test_curves_that_an_older_engine_kept_are_served(world: World) -> None:
    curve = {"precision": [1.0], "recall": [0.5], "threshold": [0.75]}
    model_id = world.train("m")
    assert world.call("GET", "models/m/outcomes:curves").status_code == 404
    world.objects.put(sidecar_key(model_id), json.dumps({"precisionRecall50": {"cat": curve}}).encode())
    assert world.call("GET", "models/m/outcomes:curves").json() == {"tags": {"cat": curve}}
    ids = evaluate(world, outcomes=False)
    assert world.call("GET", "models/m/evaluations/e/outcomes:curves").status_code == 404
    world.objects.put(older_curves_key(*ids), json.dumps({"cat": curve}).encode())
    assert world.call("GET", "models/m/evaluations/e/outcomes:curves").json() == {"tags": {"cat": curve}}


@pytest.mark.parametrize("operation", ["", ":confusion", ":curves"])
def test_what_has_no_outcomes_says_why(world: World, operation: str) -> None:
    def refused(path: str) -> tuple[int, str, str]:
        reply = world.call("GET", f"models/{path}/outcomes{operation}")
        error = reply.json()["error"]
        return reply.status_code, error["code"], error["message"]

    assert refused("m")[:2] == (404, "ModelNotFound")
    world.create("early")
    assert refused("early")[:2] == (400, "InvalidRequest")
    world.train("m")
    assert refused("m")[::2] == (
        404,
        (
            "The model 'm' has no outcomes. It was imported, trained by an older engine, or from too few images for an "
            "estimate. Evaluate it on a dataset."
        ),
    )
    assert refused("m/evaluations/e")[:2] == (404, "ModelEvaluationNotFound")
    world.call("PUT", "models/m/evaluations/e", json={"evaluationParameters": {"testDatasetName": "cats"}})
    assert refused("m/evaluations/e")[2] == (
        "The evaluation 'e' of model 'm' is 'notStarted': only one that succeeded has outcomes."
    )
    evaluate(world, "f", outcomes=False)
    assert refused("m/evaluations/f")[::2] == (
        404,
        (
            "The evaluation 'f' of model 'm' has no outcomes. An older engine made it. Evaluate the model again, under another "
            "name."
        ),
    )


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("only=bad", "only: Input should be 'wrong', 'missed', 'false' or 'right'"),
        ("tag=elm", "tag: The model has no tag 'elm'. Choose one of its 3: 'ash', 'beech', 'öak'."),
        ("label=elm", "label: The model has no tag 'elm'. Choose one of its 3: 'ash', 'beech', 'öak'."),
        ("label=ash&unlabelled=true", "label: A cell either has no label or the label 'ash'. Leave out one of them."),
        ("unlabelled=x", "unlabelled: Input should be a valid boolean, unable to interpret input"),
        ("top=101", "top: Input should be less than or equal to 100"),
    ],
)
def test_a_wrong_filter_is_refused(world: World, query: str, said: str) -> None:
    train(world)
    reply = world.call("GET", f"models/m/outcomes?{query}")
    assert (reply.status_code, reply.json()["error"]["message"]) == (400, said)


def test_label_issues_are_those_of_the_newest_model(world: World) -> None:
    world.register("cats")
    train(world, "old", count=40)
    train(world, "m")
    world.train("imported")
    reply = world.call("GET", "datasets/cats/labelissues?top=100").json()
    LabelIssues.model_validate(reply)
    likely = sum("likelyLabels" in wire for wire in EXPECTED)
    assert (reply["modelName"], reply["count"], reply["likely"]) == ("m", COUNT, likely)
    assert reply["value"] == EXPECTED[:100]
    assert likely > 0
    named = world.call("GET", "datasets/cats/labelissues?model-name=old&top=5").json()
    assert (named["modelName"], named["count"]) == ("old", 40)
    assert "model-name=old" in named["nextLink"]


def test_all_pages_of_label_issues_are_of_one_model(world: World) -> None:
    world.register("cats")
    train(world, "m")
    first = world.call("GET", "datasets/cats/labelissues?top=100").json()
    train(world, "newer", count=40)
    link = urlsplit(first["nextLink"])
    second = world.call("GET", f"{link.path}?{link.query.rpartition('&api-version')[0]}").json()
    assert (first["modelName"], second["modelName"]) == ("m", "m")
    assert first["value"] + second["value"] == EXPECTED


def test_a_dataset_without_an_estimate_says_what_to_do(world: World) -> None:
    def refused(query: str = "") -> tuple[int, str]:
        reply = world.call("GET", f"datasets/cats/labelissues{query}")
        return reply.status_code, reply.json()["error"]["message"]

    assert world.call("GET", "datasets/cats/labelissues").json()["error"]["code"] == "DatasetNotFound"
    world.register("cats")
    none = "No model has been trained from dataset 'cats'. Train a Generic-Classifier from it first."
    assert refused() == (404, none)
    world.train("imported")
    remedy = "estimate for its training images. Train a Generic-Classifier from dataset 'cats' with this version of the engine."
    assert refused() == (404, f"No model trained from dataset 'cats' has an {remedy}")
    assert refused("?model-name=imported") == (404, f"Model 'imported' has no {remedy}")
    world.create("other", trainingDatasetName="dogs")
    assert refused("?model-name=other") == (400, "model-name: 'other' was trained from dataset 'dogs', not 'cats'.")
    assert refused("?model-name=missing")[0] == 404
    world.create("early")
    early = world.store.models.find("early")
    put_outcomes(world.objects, estimate_key(early.id), made_outcomes(40, training=True))
    unfinished = "model-name: 'early' is 'notStarted': only one that succeeded has an estimate."
    assert refused("?model-name=early") == (400, unfinished)
