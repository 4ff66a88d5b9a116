"""What pages say of a model: its training's progress, its metrics with what they mean, and where it came from."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vision_customization.contract.enums import ModelKind
from vision_customization.contract.estimates import MAIN_METRICS
from vision_customization.contract.models import Estimate, ModelPerformance, TrainingProgress
from vision_customization.contract.texts import counted

KINDS = {
    ModelKind.GENERIC_CLASSIFIER: "Classifier",
    ModelKind.GENERIC_DETECTOR: "Object detector",
    ModelKind.PRODUCT_RECOGNIZER: "Product recognizer",
}

_MEANINGS = {
    "accuracyTop1": ("Accuracy", "its first answer is right"),
    "accuracyTop5": ("Top 5", "the right tag is among its first five"),
    "averagePrecision": ("Average precision", "precision over all thresholds, all tags together"),
    "meanAveragePrecision": ("Mean average precision", "precision over all thresholds, mean of the tags"),
    "macroF1": ("F1", "mean of the tags, at their thresholds"),
    "calibrationECE": ("Calibration error", "how far its confidences are off; less is better"),
    "meanAveragePrecision30": ("mAP@30", "boxes count from an overlap of 30 %"),
    "meanAveragePrecision50": ("mAP@50", "boxes count from an overlap of 50 %"),
    "meanAveragePrecision75": ("mAP@75", "boxes count from an overlap of 75 %"),
}


@dataclass(frozen=True)
class Metric:
    """A number of a model: its name, its value, what it means, and its name in the contract."""

    name: str
    value: float
    meaning: str
    key: str


def metrics_of(performance: ModelPerformance | None) -> list[Metric]:
    """The metrics of the whole model, in the contract's order."""
    values: Mapping[str, Any] = {} if performance is None else performance.to_wire()
    return [Metric(name, values[key], meaning, key) for key, (name, meaning) in _MEANINGS.items() if key in values]


def main_metric_of(performance: ModelPerformance | None) -> Metric | None:
    """The metric by which models are compared."""
    return next((metric for metric in metrics_of(performance) if metric.key in MAIN_METRICS), None)


def main_metric_text(performance: ModelPerformance | None) -> str | None:
    """`Accuracy 0.983`."""
    main = main_metric_of(performance)
    return None if main is None else f"{main.name} {main.value:.3f}"


def basis_text(performance: ModelPerformance | None, test_dataset: str | None) -> str:
    """What a model's own metrics rest on, as a sentence."""
    if test_dataset is not None:
        return f"Measured on {test_dataset}."
    estimate = None if performance is None else performance.estimate
    if estimate is None:
        return "Estimated on training images that were kept aside."
    images = counted(estimate.images, "training image")
    basis = f"Estimated on {images}{alike_text(estimate)}, each judged by a model that had not seen it."
    if estimate.accuracy_top1 is None:
        return basis
    low, high = estimate.accuracy_top1
    return f"{basis} With 95 % confidence, the true accuracy is between {low:.2f} and {high:.2f}."


def alike_text(estimate: Estimate) -> str:
    """` (80 groups of images that look alike)`; nothing if no two of them do."""
    return "" if estimate.groups == estimate.images else f" ({counted(estimate.groups, 'group')} of images that look alike)"


def stage_of(progress: TrainingProgress | None) -> str:
    """What a training does now, in words."""
    if progress is None:
        return "waits for a worker"
    return f"{progress.stage}: {progress.message}" if progress.message else progress.stage


def progress_facts(progress: TrainingProgress) -> list[tuple[str, str]]:
    """The numbers of a running training, each with its name."""
    facts = []
    if progress.images:
        kept = max(0, progress.images - progress.images_embedded)
        facts.append(("Images", f"{progress.images:,}"))
        if progress.images_embedded:
            facts.append(("Computed now", f"{progress.images_embedded:,}, the other {kept:,} were kept"))
    if progress.steps is not None:
        facts.append(("Steps", f"{progress.steps_done or 0:,} of {progress.steps:,}"))
    if progress.loss is not None:
        facts.append(("Loss", f"{progress.loss:.3f}"))
    if progress.mean_average_precision50 is not None:
        facts.append(("mAP@50 on images kept aside", f"{progress.mean_average_precision50:.3f}"))
    facts.append(("Computing time", duration_text(progress.seconds)))
    return facts


def duration_text(seconds: float) -> str:
    """`45 s`, `3 min 20 s`, `1 h 05 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def provenance(sidecar: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Where a model came from, from its sidecar: each fact with its name. Facts that it does not have are left out."""
    dataset = sidecar.get("dataset")
    recipe = sidecar.get("recipe")
    facts = [
        ("Trained from", _dataset(dataset) if isinstance(dataset, Mapping) else None),
        ("Pretrained network", _network(sidecar.get("features"))),
        ("Recipe", _recipe(recipe)),
        ("Judged on", sidecar.get("performanceOn")),
        ("Versions", ", ".join(f"{name} {version}" for name, version in sidecar.get("versions", {}).items())),
    ]
    return [(name, str(value)) for name, value in facts if value]


def _dataset(dataset: Mapping[str, Any]) -> str:
    digest = str(dataset.get("digest", ""))[:12]
    return f"{dataset.get('name')}: {dataset.get('images', 0):,} images" + (f", content {digest}" if digest else "")


def _network(features: object) -> str:
    """A detector's network by its name, a classifier's networks by their common digest."""
    name = _named(features)
    return f"digest {name}" if re.fullmatch("[0-9a-f]{12,}", name) else name


def _recipe(recipe: object) -> str:
    """A classifier's recipe among the candidates, with the accuracy of each; a detector's settings."""
    candidates = recipe.get("candidates") if isinstance(recipe, Mapping) else None
    if not isinstance(recipe, Mapping) or not isinstance(candidates, Sequence):
        return _named(recipe)
    found = [f"{each['name']} {each['accuracy']:.3f}" for each in candidates if isinstance(each, Mapping)]
    return f"{recipe.get('chosen')}, by the estimated accuracy of each candidate: {', '.join(found)}"


def _named(value: object) -> str:
    """A dict as `name value, name value`; anything else as it is."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_named(inner)}" for name, inner in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(_named, value))
    return "" if value is None else str(value)
