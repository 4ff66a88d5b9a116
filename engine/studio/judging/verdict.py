"""How good a model is, in words: its main metric, what that rests on, and whether more images would help."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vision_customization.contract.estimates import MAIN_METRICS, outlook_text
from vision_customization.contract.texts import counted
from vision_customization.engine.studio.judging.sources import Source

MEANINGS: Mapping[str, tuple[str, str]] = {
    "accuracyTop1": ("accuracy", "the share of images whose first answer is right"),
    "accuracyTop5": ("accuracy of the five best", "the share of images whose tag is among the five best answers"),
    "averagePrecision": ("average precision", "the mean area under the tags' precision-recall curves"),
    "calibrationECE": ("calibration error", "how far confidences are from the share that is right, on average; 0 is best"),
    "meanAveragePrecision30": ("mAP at 30 % overlap", "the mean area under the tags' precision-recall curves, for rough boxes"),
    "meanAveragePrecision50": ("mAP at 50 % overlap", "the mean area under the tags' precision-recall curves"),
    "meanAveragePrecision75": ("mAP at 75 % overlap", "the mean area under the tags' precision-recall curves, for tight boxes"),
    "meanAveragePrecision": ("mean average precision", "the mean area under the tags' precision-recall curves"),
    "macroF1": ("macro F1", "the mean over the tags of the balance between precision and recall"),
}
"""Of each metric its name for people, and what it is."""


def title(name: str) -> str:
    """A metric's name as a heading: `Accuracy`, `mAP at 50 % overlap`."""
    return name if name.startswith("mAP") else name[:1].upper() + name[1:]


@dataclass(frozen=True)
class Metric:
    """A metric as people read it."""

    name: str
    value: float
    meaning: str

    @property
    def definition(self) -> str:
        """`Accuracy is the share of …`."""
        return f"{title(self.name)} is {self.meaning}."


@dataclass(frozen=True)
class Verdict:
    """`basis` follows the main metric: `(0.84 to 0.95), estimated on …`. `others` are the other metrics of the whole model."""

    main: Metric | None
    basis: str
    others: Sequence[Metric]
    outlook: str | None

    @property
    def has_range(self) -> bool:
        return self.basis.startswith("(")


def verdict_of(source: Source, images: int) -> Verdict:
    """Of a model by these outcomes.

    Args:
        images: how many images have outcomes.
    """
    wire = source.performance.to_wire()
    found = [Metric(name, wire[key], meaning) for key, (name, meaning) in MEANINGS.items() if key in wire]
    names = [MEANINGS[key][0] for key in MAIN_METRICS]
    main = next((metric for name in names for metric in found if metric.name == name), None)
    others = [metric for metric in found if metric is not main]
    return Verdict(main, _basis(source, images), others, outlook_text(wire) if source.is_estimate else None)


def _basis(source: Source, images: int) -> str:
    performance = source.performance
    if source.is_estimate and performance.estimate is not None:
        estimate = performance.estimate
        groups = f" in {counted(estimate.groups, 'group')}" if estimate.groups != estimate.images else ""
        rests = f"estimated on {counted(estimate.images, 'image')}{groups} that the model had not seen"
        return _after(estimate.accuracy_top1, rests)
    rests = f"measured on the {counted(images, 'image')} of {source.dataset}"
    if performance.accuracy_top1 is None or not images:
        return rests
    from vision_customization.engine.learning.estimate import wilson_interval  # imports SciPy, which few pages need

    return _after(wilson_interval(performance.accuracy_top1, images), rests)


def _after(interval: tuple[float, float] | None, rests: str) -> str:
    return rests if interval is None else f"({interval[0]:.2f} to {interval[1]:.2f}), {rests}"
