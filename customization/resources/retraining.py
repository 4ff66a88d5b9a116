"""Why a model is trained again, and roughly how long that takes: shown in a preview, before it costs anything."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vision_customization.contract.enums import AnnotationKind, ModelKind
from vision_customization.contract.training_rules import training_steps
from vision_customization.customization.resources.provider import is_known


@dataclass(frozen=True, slots=True)
class TrainingSeconds:
    """The duration of a training on two cores, in seconds: fixed, per image that is new to the engine, and per image whose
    derived data the engine has cached."""

    once: float
    new_image: float
    kept_image: float


TRAINING_SECONDS: Mapping[ModelKind, TrainingSeconds] = {
    # The engine caches each image's features: only the head is fitted again.
    ModelKind.GENERIC_CLASSIFIER: TrainingSeconds(2, 0.1, 0.005),
    # Only reading; training itself is counted in steps.
    ModelKind.GENERIC_DETECTOR: TrainingSeconds(40, 0.05, 0.005),
    ModelKind.PRODUCT_RECOGNIZER: TrainingSeconds(40, 0.05, 0.005),
}

SECONDS_PER_STEP = 2.0
"""For detectors. Without a test dataset, the training takes a quarter more steps."""


def detector_steps(images: float, tags: int) -> float:
    """How many steps both phases of a detector's training take; like `training_steps`."""
    return 1.25 * training_steps(images, tags)


def why_retrained(olds: Mapping[str, Any], news: Mapping[str, Any]) -> str:
    """One line for the model's row."""
    if news.get("model_kind") != olds.get("model_kind"):
        return f"retrains: the kind changes from {olds.get('model_kind')} to {news.get('model_kind')}"
    if olds.get("training_digest") != news.get("training_digest"):
        tags = news.get("training_tags")
        dataset = f"retrains because dataset '{news.get('training_dataset')}' changes"
        told = (tags, news.get("training_images"), news.get("training_digest"), news.get("tiles"))
        if not is_known(*told) or tags is None:
            return dataset
        counts = tag_counts(olds.get("training_tags") or {}, tags)
        return f"{dataset}{counts}; {estimate(olds, news)}"
    if not is_known(news.get("tiles")):
        return f"retrains if tiles changes from {tiles_of(olds)}"
    if tiles_of(olds) != tiles_of(news):
        return f"retrains: tiles changes from {tiles_of(olds)} to {tiles_of(news)}; {estimate(olds, news)}"
    return (
        f"retrains: the time budget changes from {olds.get('time_budget_in_hours')} to {news.get('time_budget_in_hours')} hours"
    )


def tiles_of(properties: Mapping[str, Any]) -> int:
    """`tiles` of a model; 1 if its state was written before `tiles` existed."""
    return int(properties.get("tiles", 1))


def tag_counts(before: Mapping[str, float], after: Mapping[str, float]) -> str:
    changes = [
        f"{tag} {int(before.get(tag, 0))} → {int(after.get(tag, 0))}"
        for tag in sorted({*before, *after})
        if before.get(tag, 0) != after.get(tag, 0)
    ]
    return f" ({', '.join(changes)})" if changes else ""


def estimate(olds: Mapping[str, Any], news: Mapping[str, Any]) -> str:
    """Roughly how long the training takes if the engine knows the former dataset's images."""
    kind, images = ModelKind(news["model_kind"]), image_count(news)
    if has_one_tag_per_image(news):  # its tag counts show how many images are new
        before = olds.get("training_tags") or {}
        new = sum(max(0.0, count - before.get(tag, 0)) for tag, count in news["training_tags"].items())
    else:  # a detector's pictures are cached at a size that depends on tiles
        new = max(0.0, images - image_count(olds)) if tiles_of(olds) == tiles_of(news) else images
    cost = TRAINING_SECONDS[kind]
    seconds = cost.once + new * cost.new_image + (images - new) * cost.kept_image
    if kind is not ModelKind.GENERIC_CLASSIFIER:
        seconds += SECONDS_PER_STEP * detector_steps(images * tiles_of(news) ** 2, len(news.get("training_tags") or {}))
    return f"about {duration(seconds)} of training on two cores"


def image_count(properties: Mapping[str, Any]) -> float:
    """The number of training images: those of a classifier may have one tag each, all others any number of tags or boxes."""
    tags, images = properties.get("training_tags") or {}, properties.get("training_images")
    if has_one_tag_per_image(properties) or images is None:
        return float(sum(tags.values()))
    return float(images)


def has_one_tag_per_image(properties: Mapping[str, Any]) -> bool:
    """Whether a model learns one tag per image: images without a tag do not count for it."""
    several = properties.get("annotation_kind") == AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION
    return properties.get("model_kind") == ModelKind.GENERIC_CLASSIFIER and not several


def duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
