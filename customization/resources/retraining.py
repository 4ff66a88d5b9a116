"""Why a model is trained again, and roughly how long that takes: shown in a preview, before it costs anything."""

from collections.abc import Mapping
from typing import Any

from vision_customization.contract.enums import AnnotationKind, ModelKind
from vision_customization.contract.training_time import Speed, Workload, of_budget
from vision_customization.customization.resources.provider import is_known


def why_retrained(olds: Mapping[str, Any], news: Mapping[str, Any], speed: Speed) -> str:
    """One line for the model's row."""
    return "; ".join([_cause(olds, news), *([estimate(olds, news, speed)] if is_estimable(news) else [])])


def _cause(olds: Mapping[str, Any], news: Mapping[str, Any]) -> str:
    if news.get("model_kind") != olds.get("model_kind"):
        return f"retrains: the kind changes from {olds.get('model_kind')} to {news.get('model_kind')}"
    if olds.get("training_digest") != news.get("training_digest"):
        tags = news.get("training_tags")
        dataset = f"retrains because dataset '{news.get('training_dataset')}' changes"
        return f"{dataset}{tag_counts(olds.get('training_tags') or {}, tags)}" if is_estimable(news) and tags else dataset
    if not is_known(news.get("tiles")):
        return f"retrains if tiles changes from {tiles_of(olds)}"
    if tiles_of(olds) != tiles_of(news):
        return f"retrains: tiles changes from {tiles_of(olds)} to {tiles_of(news)}"
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


def is_estimable(properties: Mapping[str, Any]) -> bool:
    """Whether a preview knows what the training has to do: not for labels that it has not read."""
    told = ("model_kind", "time_budget_in_hours", "training_digest", "training_tags", "training_images", "tiles")
    return bool(properties.get("training_tags")) and is_known(*(properties.get(name) for name in told))


def estimate(olds: Mapping[str, Any], news: Mapping[str, Any], speed: Speed) -> str:
    """Roughly how long the training takes, of its budget."""
    return of_budget(workload(olds, news), float(news["time_budget_in_hours"]), speed)


def workload(olds: Mapping[str, Any], news: Mapping[str, Any]) -> Workload:
    """What the training has to do if the engine has kept what it derived from the images of `olds`."""
    images, tags = image_count(news), news["training_tags"]
    if olds.get("model_kind") != news["model_kind"]:
        olds = {}
    if has_one_tag_per_image(news):  # its tag counts show how many images are new
        before = olds.get("training_tags") or {}
        new = sum(max(0.0, count - before.get(tag, 0)) for tag, count in tags.items())
    else:  # a detector's pictures are cached at a size that depends on tiles
        new = max(0.0, images - image_count(olds)) if tiles_of(olds) == tiles_of(news) else images
    return Workload(ModelKind(news["model_kind"]), int(images), len(tags), tiles_of(news), kept=int(images - new))


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
