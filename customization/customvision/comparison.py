"""Compares a model with the iteration of a baseline: the same metrics, on the same images if the baseline has predictions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError

from vision_customization.common.errors import VisionError
from vision_customization.contract.analysis import ImageAnalysisResult
from vision_customization.contract.coco.document import Box, read_json
from vision_customization.customization.customvision.baseline import Baseline
from vision_customization.customization.customvision.scores import Found, Labels, Score, scores
from vision_customization.customization.customvision.wire import Metrics, Prediction

OBJECTS_LEAST = 0.2
"""The engine does not answer with objects of a lower confidence, so those of Custom Vision don't count either."""


class _CocoImage(BaseModel):
    id: int
    file_name: str


class _CocoCategory(BaseModel):
    id: int
    name: str


class _CocoAnnotation(BaseModel):
    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float] | None = None


class _Coco(BaseModel):
    images: list[_CocoImage]
    annotations: list[_CocoAnnotation]
    categories: list[_CocoCategory]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Each pair is (the iteration's score, the model's).

    Attributes:
        same_images: whether both are scored on the same images, those of the baseline's predictions. Otherwise the iteration's
            scores are those that Custom Vision computed, on images of its own choice, and the model's those on `images`.
        images: the `file_name` of each image that the model is scored on.
        left_out: why an image is not among them, by its `file_name`.
    """

    same_images: bool
    images: tuple[str, ...]
    left_out: Mapping[str, str]
    overall: tuple[Score | None, Score]
    tags: Mapping[str, tuple[Score | None, Score | None]]


def read_labels(path: Path) -> dict[str, Labels]:
    """The labels of a COCO file with boxes in fractions, by the `file_name` of the image. Raises VisionError."""
    document, violation = read_json(path, str(path))
    if violation is not None:
        raise VisionError(str(violation))
    try:
        coco = _Coco.model_validate(document)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in fault["loc"])
        raise VisionError(f"{path}: {where or 'the file'}: {fault['msg']}. `vision check` lists all faults") from None
    names = {category.id: category.name for category in coco.categories}
    labels: dict[int, list[tuple[str, Box | None]]] = {image.id: [] for image in coco.images}
    for index, annotation in enumerate(coco.annotations):
        if annotation.image_id not in labels or annotation.category_id not in names:
            raise VisionError(f"{path}: annotations[{index}]: no such image or category. `vision check` lists all faults")
        labels[annotation.image_id].append((names[annotation.category_id], annotation.bbox))
    return {image.file_name: labels[image.id] for image in coco.images}


def compared_images(baseline: Baseline, labels: Mapping[str, Labels]) -> tuple[list[str], bool]:
    """The images to analyze, and whether the baseline has predictions for them. It has none at all for some projects."""
    predicted = [name for name in labels if name in baseline.predictions]
    return (predicted, True) if predicted else (list(labels), False)


def compare(
    baseline: Baseline,
    labels: Mapping[str, Labels],
    found: Mapping[str, Sequence[Found]],
    failed: Mapping[str, str],
) -> Comparison:
    """Compare the scores.

    Args:
        labels: of all images, by `file_name`.
        found: what the model finds in the images of `compared_images`.
        failed: why an image of these could not be analyzed.
    """
    names, same_images = compared_images(baseline, labels)
    used = {name: labels[name] for name in names if name in found}
    left_out = {name: "the baseline has no prediction for it" for name in labels if name not in names} | dict(failed)

    def scored(predictions: Mapping[str, Sequence[Found]]) -> tuple[Score, dict[str, Score]]:
        return scores(used, predictions, threshold=baseline.probability_threshold, overlap=baseline.overlap_threshold)

    ours, our_tags = scored(found)
    theirs: Score | None
    their_tags: Mapping[str, Score]
    if same_images:
        theirs, their_tags = scored({name: _found_in(baseline.predictions[name]) for name in used})
    else:
        theirs, their_tags = _as_reported(baseline)
    tags = {tag: (their_tags.get(tag), our_tags.get(tag)) for tag in sorted({*their_tags, *our_tags})}
    return Comparison(same_images, tuple(used), left_out, (theirs, ours), tags)


def found_by(result: ImageAnalysisResult) -> list[Found]:
    """What an answer says, with boxes in fractions of the image."""
    width, height = result.metadata.width, result.metadata.height
    custom = result.custom_model_result
    if custom is None:
        return []
    tags = [Found(tag.name, tag.confidence) for tag in custom.tags_result.values] if custom.tags_result else []
    objects = custom.objects_result.values if custom.objects_result else []
    for one in objects:
        box = one.bounding_box
        tags.append(
            Found(one.tags[0].name, one.tags[0].confidence, (box.x / width, box.y / height, box.w / width, box.h / height))
        )
    return tags


def _found_in(predictions: Iterable[Prediction]) -> list[Found]:
    found = [_found(prediction) for prediction in predictions]
    return [one for one in found if one.box is None or one.probability >= OBJECTS_LEAST]


def _found(prediction: Prediction) -> Found:
    box = prediction.bounding_box
    return Found(prediction.tag_name, prediction.probability, (box.left, box.top, box.width, box.height) if box else None)


def _as_reported(baseline: Baseline) -> tuple[Score | None, dict[str, Score]]:
    """The metrics that Custom Vision computed."""
    performance = baseline.iteration.performance if baseline.iteration is not None else None
    if performance is None:
        return None, {}
    return _score(performance), {tag.name: _score(tag) for tag in performance.per_tag_performance}


def _score(metrics: Metrics) -> Score:
    return Score(0, metrics.precision, metrics.recall, metrics.average_precision)
