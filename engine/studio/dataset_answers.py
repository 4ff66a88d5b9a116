"""What models say about an image of a dataset: the newest outcomes that have it, and whether its label is likely wrong."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from vision_customization.engine.api.collaborators import Service
from vision_customization.engine.objects.keys import estimate_key, outcomes_key
from vision_customization.engine.objects.store import ObjectNotFound
from vision_customization.engine.outcomes.estimates import first_estimate
from vision_customization.engine.store import DatasetRecord, NotFound
from vision_customization.engine.store.dataset_uses import UsedFor
from vision_customization.engine.studio.dataset_contents import tone_of

OUTCOMES_TRIED_MAX = 8
"""Models whose outcomes are looked at for an image: the newest ones."""


@dataclass(frozen=True)
class Line:
    """A tag or an object that a model found. `tone` is the colour of its box."""

    text: str
    confidence: float
    tone: int | None = None


@dataclass(frozen=True)
class Answer:
    """What a model said about an image, and `how` it came to say it. `missed` are labels that it did not find, in words."""

    model: str
    how: str
    right: bool
    lines: list[Line]
    missed: list[str]
    boxes: list[list[float]]


def answer_for(service: Service, dataset: DatasetRecord, sha256: str | None) -> Answer | str:
    """The newest answer for an image, or why there is none."""
    if sha256 is None:
        return "The engine has not read this image yet, so no model has answered for it."
    tried = False
    for number, (model, how, key) in enumerate(_outcomes(service, dataset)):
        if number >= OUTCOMES_TRIED_MAX:
            break
        try:
            line = service.judge.of_image(key, sha256)
        except ObjectNotFound:
            continue
        tried = True
        if line is not None:
            return _answer(model, how, json.loads(line))
    if tried:
        return "The newest models have not answered for this image: they learned from it, or it was added or changed since."
    return "No model has answered for this dataset's images yet. Train one from it, or evaluate one on it."


def likely_wrong(service: Service, dataset: str, sha256: str | None) -> dict[str, str] | None:
    """Model, labels and what the model says instead, if the image's labels are likely wrong."""
    if sha256 is None:
        return None
    estimate = first_estimate(service.objects, service.store.models.trained_from(dataset))
    if estimate is None:
        return None
    try:
        line = service.judge.of_image(estimate_key(estimate.model.id), sha256)
    except ObjectNotFound:
        return None
    outcome = {} if line is None else json.loads(line)
    if "likelyLabels" not in outcome:
        return None
    return {
        "model": estimate.model.name,
        "labels": named(outcome["labels"]),
        "says": named(outcome["likelyLabels"]),
    }


def named(tags: list[str]) -> str:
    """`“cat” and “dog”`, or `no tag`."""
    quoted = [f"“{tag}”" for tag in tags]
    if len(quoted) < 2:
        return quoted[0] if quoted else "no tag"
    return f"{', '.join(quoted[:-1])} and {quoted[-1]}"


def _outcomes(service: Service, dataset: DatasetRecord) -> Iterator[tuple[str, str, str]]:
    """Model, how, and key of the outcomes of the dataset's images, the newest first."""
    store = service.store
    for use in store.dataset_uses.of([dataset.name]).get(dataset.name, []):
        try:
            model = store.models.find(use.model)
        except NotFound:
            continue
        if use.used_for is UsedFor.TRAINING:
            yield model.name, "judged without having learned from this image", estimate_key(model.id)
        elif use.used_for is UsedFor.TEST:
            yield model.name, "tested on this dataset", outcomes_key(model.id)
        elif use.evaluation_id is not None:
            yield model.name, "evaluated on this dataset", outcomes_key(model.id, use.evaluation_id)


def _answer(model: str, how: str, outcome: dict[str, Any]) -> Answer:
    if "objects" in outcome:
        found = outcome["objects"]
        return Answer(
            model,
            how,
            outcome["right"],
            [Line(each["tag"], each["confidence"], tone_of(each["tag"])) for each in found],
            [f"It missed “{each['tag']}”." for each in outcome.get("missed", [])],
            [[*each["bbox"], tone_of(each["tag"])] for each in found],
        )
    tags = [Line(each["name"], each["confidence"]) for each in outcome.get("tags", [])]
    return Answer(model, how, outcome["right"], tags, [], [])
