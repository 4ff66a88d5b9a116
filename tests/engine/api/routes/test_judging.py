"""What outcomes say about a model, as the API serves it."""

from urllib.parse import parse_qs, urlsplit

import pytest

from tests.engine.api.routes.test_outcomes import COUNT, evaluate, train
from tests.engine.outcomes.made import MADE, made_objects, made_outcomes, made_tags, put_older
from tests.support.api_world import World
from vision_customization.contract.judging import Calibration, ComparisonPage, OutcomeKind, TagOutcomes, ThresholdPage
from vision_customization.engine.objects.keys import estimate_key
from vision_customization.engine.outcomes.judge import Judge
from vision_customization.engine.outcomes.stored import put_outcomes


def trained(world: World, kind: OutcomeKind, name: str = "m", *, seed: int = 0) -> str:
    """A model with an estimate; returns the key of its outcomes."""
    key = estimate_key(world.train(name))
    put_outcomes(world.objects, key, MADE[kind](COUNT, seed=seed))
    return key


@pytest.mark.parametrize("only", ["missed", "false", "right", "wrong"])
def test_the_numbers_at_a_threshold_come_with_their_images(world: World, only: str) -> None:
    key = trained(world, OutcomeKind.ONE_TAG)
    reply = world.call("GET", f"models/m/outcomes:threshold?threshold=0.6&only={only}&top=3").json()
    page = ThresholdPage.model_validate(reply)
    assert page.to_wire() == reply
    numbers = Judge(world.objects).at_threshold(key, 0.6)
    assert {name: reply[name] for name in numbers.to_wire()} == numbers.to_wire()
    counts = {"missed": page.missed, "false": page.false, "right": page.right, "wrong": page.missed + page.false}
    assert page.count == counts[only] > 3
    assert len(page.value) == 3
    following = parse_qs(urlsplit(reply["nextLink"]).query)
    assert (following["threshold"], following["only"], following["skip"]) == (["0.6"], [only], ["3"])


def test_a_tag_at_a_threshold(world: World) -> None:
    trained(world, OutcomeKind.SEVERAL_TAGS)
    reply = world.call("GET", "models/m/outcomes:threshold?threshold=0.3&tag=tag%203&only=false&top=1").json()
    assert (reply["kind"], reply["tag"], reply["count"]) == ("severalTags", "tag 3", reply["false"])
    assert parse_qs(urlsplit(reply["nextLink"]).query)["tag"] == ["tag 3"]
    assert "tag 3" not in reply["value"][0]["labels"]


def test_objects_are_shown_as_they_are_at_the_threshold(world: World) -> None:
    trained(world, OutcomeKind.OBJECTS)
    found = {}
    for threshold in (0.2, 0.8):
        reply = world.call("GET", f"models/m/outcomes:threshold?threshold={threshold}&top=100").json()
        found[threshold] = [item for outcome in reply["value"] for item in outcome["objects"]]
        assert all(item["confidence"] >= threshold for item in found[threshold])
        assert (reply["threshold"], reply["lowest"], reply["count"]) == (threshold, 0.2, COUNT)
    assert len(found[0.2]) > len(found[0.8])


def test_an_evaluation_is_judged_by_its_own_outcomes(world: World) -> None:
    train(world)
    evaluate(world)
    for path, images in (("models/m", COUNT), ("models/m/evaluations/e", 40)):
        at = world.call("GET", f"{path}/outcomes:threshold?threshold=0").json()
        calibration = world.call("GET", f"{path}/outcomes:calibration").json()
        tags = world.call("GET", f"{path}/outcomes:tags").json()
        assert (at["images"], at["unanswered"], calibration["answers"], tags["images"]) == (images, 0, images, images)
        assert Calibration.model_validate(calibration).to_wire() == calibration
        assert TagOutcomes.model_validate(tags).to_wire() == tags
        assert sum(tag["labels"] for tag in tags["tags"]) == images
        assert sum(each["count"] for each in calibration["bins"]) == images


def test_two_models_are_compared_on_the_images_that_both_have(world: World) -> None:
    trained(world, OutcomeKind.ONE_TAG)
    trained(world, OutcomeKind.ONE_TAG, "n", seed=1)
    evaluate(world)  # model m on the first 40 of these images
    reply = world.call("GET", "models/m/outcomes:compare?with-model=n&only=first&top=2").json()
    page = ComparisonPage.model_validate(reply)
    assert page.to_wire() == reply
    assert (page.images, page.count, len(page.value)) == (COUNT, page.only_first, 2)
    for image in page.value:
        assert image.first is not None
        assert image.second is not None
        assert (image.first.digest, image.first.right, image.second.right) == (image.second.digest, True, False)
    following = parse_qs(urlsplit(reply["nextLink"]).query)
    assert (following["with-model"], following["only"], following["skip"]) == (["n"], ["first"], ["2"])
    of_evaluation = world.call("GET", "models/n/outcomes:compare?with-model=m&with-evaluation=e&only=unpaired").json()
    assert (of_evaluation["images"], of_evaluation["onlyInFirst"], of_evaluation["count"]) == (40, COUNT - 40, COUNT - 40)
    assert "second" not in of_evaluation["value"][0]
    assert parse_qs(urlsplit(of_evaluation["nextLink"]).query)["with-evaluation"] == ["e"]
    both = world.call("GET", "models/m/outcomes:compare?with-model=m&evaluation=e&with-evaluation=e").json()
    assert (both["images"], both["onlyFirst"], both["pValue"]) == (40, 0, 1.0)


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("threshold", 400, "threshold: Field required"),
        ("threshold?threshold=2", 400, "threshold: Input should be less than or equal to 1"),
        ("threshold?threshold=nan", 400, "threshold: Input should be less than or equal to 1"),
        ("threshold?threshold=0.1", 400, "threshold: 0.1 is not from 0.2 to 1, where these outcomes can be counted."),
        (
            "threshold?threshold=0.5&tag=elm",
            400,
            "tag: The model has no tag 'elm'. Choose one of its 3: 'ash', 'beech', 'öak'.",
        ),
        ("compare", 400, "with-model: Field required"),
        ("compare?with-model=missing", 404, "There is no model 'missing'."),
        ("compare?with-model=m&with-evaluation=x", 404, "There is no evaluation 'x'."),
        (
            "compare?with-model=classifier",
            400,
            "with-model: The first model answers objects, the second one tag per image. Compare models of one kind.",
        ),
        (
            "compare?with-model=imported",
            404,
            "The model 'imported' has no outcomes.",
        ),
    ],
)
def test_what_outcomes_can_not_say_is_refused(world: World, query: str, status: int, said: str) -> None:
    trained(world, OutcomeKind.OBJECTS)
    trained(world, OutcomeKind.ONE_TAG, "classifier")
    world.train("imported")
    reply = world.call("GET", f"models/m/outcomes:{query}")
    assert reply.status_code == status
    assert reply.json()["error"]["message"].startswith(said)


def test_outcomes_of_older_engines_say_what_they_can(world: World) -> None:
    put_older(world.objects, estimate_key(world.train("m")), made_objects(50))
    threshold = world.call("GET", "models/m/outcomes").json()["threshold"]
    reply = world.call("GET", "models/m/outcomes:threshold?threshold=0.2")
    said = f"threshold: 0.2 is not from {threshold} to 1, where these outcomes can be counted."
    assert reply.status_code == 400
    assert reply.json()["error"]["message"] == f"{said} Evaluate the model again, to ask for lower ones."
    assert world.call("GET", "models/m/outcomes:threshold?threshold=0.9").json()["lowest"] == threshold
    put_older(world.objects, estimate_key(world.train("s")), made_tags(50))
    put_older(world.objects, estimate_key(world.train("o")), made_outcomes(50))
    for name in ("m", "s", "o"):
        for operation in ("calibration", "tags"):
            assert world.call("GET", f"models/{name}/outcomes:{operation}").status_code == 200


@pytest.mark.parametrize("operation", ["threshold?threshold=0.5", "calibration", "tags", "compare?with-model=m"])
def test_what_has_no_outcomes_says_so(world: World, operation: str) -> None:
    world.train("m")
    reply = world.call("GET", f"models/m/outcomes:{operation}")
    assert reply.status_code == 404
    assert "The model 'm' has no outcomes." in reply.json()["error"]["message"]
