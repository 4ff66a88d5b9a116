"""The pages about outcomes, for models of each kind."""

import html
import re
from collections.abc import Callable

import pytest

from tests.engine.outcomes.made import MADE, MANY_TAGS, TAGS, made_outcomes
from tests.support.api_world import World
from tests.support.studio import Browser
from vision_customization.contract.judging import OutcomeKind
from vision_customization.contract.models import Estimate, ModelPerformance, Outlook
from vision_customization.engine.objects.keys import estimate_key, outcomes_key
from vision_customization.engine.outcomes.stored import put_outcomes

COUNT = 150
KINDS = pytest.mark.parametrize("kind", OutcomeKind)


def train(world: World, name: str = "m", kind: OutcomeKind = OutcomeKind.ONE_TAG, count: int = COUNT, seed: int = 0) -> str:
    """A model with outcomes of its training images; returns its id."""
    world.register("cats")
    model_id = world.train(name)
    put_outcomes(world.objects, estimate_key(model_id), MADE[kind](count, seed=seed))
    return model_id


def evaluate(world: World, model: str, name: str, count: int = 40, seed: int = 1) -> None:
    """An evaluation of a model on the dataset `cats-test`, with outcomes."""
    world.register("cats-test")
    body = {"evaluationParameters": {"testDatasetName": "cats-test"}}
    assert world.call("PUT", f"models/{model}/evaluations/{name}", json=body).status_code == 201
    evaluation_id = world.jobs.evaluations[-1]
    world.store.evaluations.begin(evaluation_id)
    put_outcomes(world.objects, outcomes_key(world.store.models.find(model).id, evaluation_id), made_outcomes(count, seed=seed))
    world.store.evaluations.finish(evaluation_id, ModelPerformance(accuracy_top1=0.75))


def text_of(page: str) -> str:
    """What a page says: without markup, spaces joined."""
    bare = re.sub(r"<(style|script)[^>]*>.*?</\1>", "", page, flags=re.DOTALL)
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", bare))).replace(" .", ".").replace(" ,", ",")


@KINDS
def test_the_page_says_how_good_the_model_is_and_what_it_gets_wrong(world: World, owner: Browser, kind: OutcomeKind) -> None:
    train(world, kind=kind)
    answer = owner.get("models/m/judge")
    assert answer.status_code == 200
    said = text_of(answer.text)
    for heading in ("How good is it?", "Would more images help?", "Threshold", "By tag", "Worst mistakes", "Are its confidences true?"):
        assert heading in said
    assert ("What it takes for what" in said) == (kind is not OutcomeKind.SEVERAL_TAGS)
    assert re.search(r"From a confidence of 0\.\d\d on, the model", said)
    assert re.search(r"When it says 0\.\d\d, it is right in \d+ of \d+\.", said)
    assert 'style="' not in answer.text
    assert not re.search(r'\son[a-z]+="', answer.text)
