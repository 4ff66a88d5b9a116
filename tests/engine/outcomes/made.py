"""Outcomes to store: of a classifier that is mostly right."""

import hashlib

import numpy as np
from numpy.typing import NDArray

from vision_customization.engine.learning.label_issues import likely_labels
from vision_customization.engine.outcomes.classified import classified
from vision_customization.engine.outcomes.outcomes import ImageName, Outcomes

TAGS = ("ash", "beech", "öak")


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
    return classified([image(number) for number in range(count)], labels, probabilities, TAGS, likely)
