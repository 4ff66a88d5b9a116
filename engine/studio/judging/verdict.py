"""How good a model is, in words: its main metric, what that rests on, and whether more images would help."""

from collections.abc import Sequence
from dataclasses import dataclass

from vision_customization.contract.estimates import MAIN_METRICS, outlook_text
from vision_customization.contract.texts import counted
from vision_customization.engine.studio.judging.sources import Source
from vision_customization.engine.studio.model_facts import Metric, metrics_of


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
    found = metrics_of(source.performance)
    main = next((metric for metric in found if metric.key in MAIN_METRICS), None)
    others = [metric for metric in found if metric is not main]
    outlook = outlook_text(source.performance.to_wire()) if source.is_estimate else None
    return Verdict(main, _basis(source, images), others, outlook)


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
