"""Precision, recall and average precision of predictions, per tag, as Custom Vision defines them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vision_customization.contract.coco.document import Box


@dataclass(frozen=True, slots=True)
class Found:
    """A tag that a model finds in an image; `box` is in fractions, None of a classification."""

    tag: str
    probability: float
    box: Box | None = None


@dataclass(frozen=True, slots=True)
class Score:
    """`labels`: how many there are to find. A metric without predictions, or without labels, is None."""

    labels: int
    precision: float | None
    recall: float | None
    average_precision: float | None


Labels = Sequence[tuple[str, Box | None]]


def scores(
    labels: Mapping[str, Labels], found: Mapping[str, Sequence[Found]], *, threshold: float, overlap: float
) -> tuple[Score, dict[str, Score]]:
    """The score over all tags, and that of each tag that has a label or a prediction.

    Precision and recall count the predictions of at least `threshold`; over all tags, they count all together. The average
    precision ranks all predictions; over all tags, it is the mean over the tags that have labels.

    Args:
        labels: by image.
        found: by image; images without labels in `labels` do not count.
        overlap: intersection over union from which a box counts as found; each label counts once.
    """
    wanted: dict[str, int] = defaultdict(int)
    ranked: dict[str, list[tuple[float, bool]]] = defaultdict(list)
    for image, image_labels in labels.items():
        counted = image_labels if any(box is not None for _, box in image_labels) else list(dict.fromkeys(image_labels))
        for tag, _ in counted:
            wanted[tag] += 1
        by_tag: dict[str, list[Found]] = defaultdict(list)
        for prediction in found.get(image, ()):
            by_tag[prediction.tag].append(prediction)
        for tag, predictions in by_tag.items():
            ranked[tag] += _hits([box for name, box in counted if name == tag], predictions, overlap)
    tags = {tag: _score(wanted[tag], ranked[tag], threshold) for tag in sorted(wanted.keys() | ranked.keys())}
    together = _score(sum(wanted.values()), [hit for hits in ranked.values() for hit in hits], threshold)
    precisions = [score.average_precision for score in tags.values() if score.average_precision is not None]
    mean = sum(precisions) / len(precisions) if precisions else None
    return Score(together.labels, together.precision, together.recall, mean), tags


def average_precision(ranked: Sequence[tuple[float, bool]], labels: int) -> float:
    """Σ (Rₙ − Rₙ₋₁) · Pₙ over the distinct probabilities in falling order."""
    hits, recall, precision_sum = 0, 0.0, 0.0
    ordered = sorted(ranked, key=lambda prediction: -prediction[0])
    for count, (probability, hit) in enumerate(ordered, start=1):
        hits += hit
        if count == len(ordered) or ordered[count][0] != probability:
            precision_sum += (hits / labels - recall) * hits / count
            recall = hits / labels
    return precision_sum


def overlap_of(first: Box, second: Box) -> float:
    """Intersection over union of two boxes."""
    width = min(first[0] + first[2], second[0] + second[2]) - max(first[0], second[0])
    height = min(first[1] + first[3], second[1] + second[3]) - max(first[1], second[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / (first[2] * first[3] + second[2] * second[3] - width * height)


def _hits(boxes: list[Box | None], predictions: Sequence[Found], overlap: float) -> list[tuple[float, bool]]:
    """For each prediction of one tag in one image, the most probable first: its probability, and whether it finds a label that
    no other one has found."""
    open_boxes = list(boxes)
    hits = []
    for prediction in sorted(predictions, key=lambda prediction: -prediction.probability):
        best = max(range(len(open_boxes)), key=lambda n: _fit(open_boxes[n], prediction.box), default=None)
        hit = best is not None and _fit(open_boxes[best], prediction.box) >= overlap
        if hit and best is not None:
            del open_boxes[best]
        hits.append((prediction.probability, hit))
    return hits


def _fit(label: Box | None, found: Box | None) -> float:
    if label is None or found is None:
        return float(label is found)
    return overlap_of(label, found)


def _score(labels: int, ranked: Sequence[tuple[float, bool]], threshold: float) -> Score:
    counted = [hit for probability, hit in ranked if probability >= threshold]
    return Score(
        labels,
        sum(counted) / len(counted) if counted else None,
        sum(counted) / labels if labels else None,
        average_precision(ranked, labels) if labels else None,
    )
