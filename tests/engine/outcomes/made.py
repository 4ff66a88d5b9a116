"""Outcomes to store: of models that are mostly right."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vision_customization.contract.judging import OutcomeKind
from vision_customization.engine.learning.boxes import Detections, LabelledBoxes
from vision_customization.engine.learning.label_issues import likely_labels
from vision_customization.engine.learning.npz import from_npz, to_npz
from vision_customization.engine.objects.store import ObjectStore
from vision_customization.engine.outcomes.classified import classified, multi_classified
from vision_customization.engine.outcomes.detected import detected
from vision_customization.engine.outcomes.outcomes import ImageName, ImageOutcome, Outcomes
from vision_customization.engine.outcomes.stored import put_outcomes

TAGS = ("ash", "beech", "öak")
MANY_TAGS = tuple(f"tag {number}" for number in range(8))


def image(number: int, file_name: str = "") -> ImageName:
    return ImageName(f"https://host/c/{number}.png", file_name, hashlib.sha256(str(number).encode()).hexdigest())


def answers(images: int, tags: int = 3, seed: int = 0) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Labels int64 [images], and probabilities float32 [images, tags] that mostly agree with them."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, tags, images)
    scores = random.normal(size=(images, tags))
    scores[np.arange(images), labels] += 2
    shares = np.exp(scores)
    return labels, (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)


def made_outcomes(count: int, *, training: bool = False, seed: int = 0) -> Outcomes:
    labels, probabilities = answers(count, seed=seed)
    likely = likely_labels(labels, probabilities) if training else None
    return whole(classified([image(number) for number in range(count)], labels, probabilities, TAGS, likely))


def whole(outcomes: Outcomes) -> Outcomes:
    """The same, whose images can be read more than once."""
    return replace(outcomes, images=list(outcomes.images))


def made_tags(count: int, seed: int = 0) -> Outcomes:
    """Of several tags per image. The probabilities have four decimals, as outcomes store them."""
    random = np.random.default_rng(seed)
    present = random.random((count, len(MANY_TAGS))) < 0.25
    scores = np.where(present, 1.0, -2.5) + 1.5 * random.normal(size=present.shape)
    probabilities = (1 / (1 + np.exp(-scores))).round(4).astype(np.float32)
    thresholds = random.uniform(0.3, 0.6, len(MANY_TAGS)).round(2).tolist()
    names = [image(number) for number in range(count)]
    return whole(multi_classified(names, present, probabilities, thresholds, MANY_TAGS))


def made_objects(count: int, seed: int = 0) -> Outcomes:
    """Of a detector that finds most objects, some twice, takes some for others, and sees some that are not there."""
    random = np.random.default_rng(seed)
    truths, found = [], []
    for _ in range(count):
        objects, elsewhere = random.integers(0, 6), random.integers(0, 3)
        labels = random.integers(0, 3, objects)
        corners = _squares(objects, top=10)
        truths.append(LabelledBoxes(corners.astype(np.float32), labels))
        seen = np.repeat(np.arange(objects), random.integers(0, 3, objects))
        swapped = random.random(len(seen)) < 0.2
        places = np.concatenate([corners[seen] + random.integers(-6, 7, (len(seen), 4)), _squares(elsewhere, top=90)])
        kinds = np.concatenate([(labels[seen] + swapped) % 3, random.integers(0, 3, elsewhere)])
        scores = np.concatenate([random.beta(4, 2, len(seen)), random.beta(2, 4, elsewhere)]).round(4).astype(np.float32)
        order = np.argsort(-scores, kind="stable")
        found.append(Detections(places[order].astype(np.float32), kinds[order], scores[order]))
    return whole(detected([image(number) for number in range(count)], [(480, 160)] * count, truths, found, TAGS))


def _squares(count: int, top: int) -> NDArray[np.int64]:
    """Boxes beside each other, int64 [count, 4]."""
    left = 10 + 78 * np.arange(count)
    return np.stack([left, np.full(count, top), left + 60, np.full(count, top + 60)], axis=1)


MADE: Mapping[OutcomeKind, Callable[..., Outcomes]] = {
    OutcomeKind.ONE_TAG: made_outcomes,
    OutcomeKind.SEVERAL_TAGS: made_tags,
    OutcomeKind.OBJECTS: made_objects,
}


def put_older(objects: ObjectStore, key: str, outcomes: Outcomes) -> None:
    """Store outcomes as engines did that knew of no arrays, and of no objects below a detector's threshold."""

    def older(outcome: ImageOutcome) -> ImageOutcome:
        wire = {name: value for name, value in outcome.wire.items() if name != "unsure"}
        if "objects" in wire:
            wire["objects"] = [{name: value for name, value in item.items() if name != "matchBbox"} for item in wire["objects"]]
        return replace(outcome, wire=wire)

    put_outcomes(objects, key, replace(outcomes, images=[older(outcome) for outcome in outcomes.images]))
    index = from_npz(objects.get(f"{key}/index.npz"))
    facts = json.loads(index["facts"].tobytes())
    del facts["kind"]
    objects.put(f"{key}/index.npz", to_npz({**index, "facts": np.frombuffer(json.dumps(facts).encode(), np.uint8)}))
    objects.delete(f"{key}/answers.npz")
