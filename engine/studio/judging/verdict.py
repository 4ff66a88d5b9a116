"""How good a model is, in words: its main metric, what that rests on, and whether more images would help."""

from collections.abc import Sequence
from dataclasses import dataclass

from vision_customization.contract.estimates import outlook_text
from vision_customization.contract.texts import counted, sentence
from vision_customization.engine.studio.judging.sources import Source
from vision_customization.engine.studio.model_facts import Metric, main_metric_of, metrics_of


@dataclass(frozen=True)
class Verdict:
    """`basis` is how sure the main metric is and what it rests on, as a sentence. `others` are the other metrics of the whole
    model."""

    main: Metric | None
    basis: str
    others: Sequence[Metric]
    outlook: str | None


def verdict_of(source: Source, images: int) -> Verdict:
    """Of a model by these outcomes.

    Args:
        images: how many images have outcomes.
    """
    found = metrics_of(source.performance)
    main = main_metric_of(source.performance)
    others = [metric for metric in found if metric != main]
    outlook = outlook_text(source.performance.to_wire()) if source.is_estimate else None
    interval, rests = _basis(source, images)
    sure = "" if interval is None else f"With 95 % confidence between {interval[0]:.2f} and {interval[1]:.2f}, "
    return Verdict(main, sentence(sure + rests), others, outlook)


def _basis(source: Source, images: int) -> tuple[tuple[float, float] | None, str]:
    """The interval of the main metric, if it is known, and what the metric rests on."""
    performance = source.performance
    if source.is_estimate and performance.estimate is not None:
        estimate = performance.estimate
        alike = (
            f" ({counted(estimate.groups, 'group')} of images that look alike)" if estimate.groups != estimate.images else ""
        )
        rests = f"estimated on {counted(estimate.images, 'image')}{alike} that the model had not seen"
        return estimate.accuracy_top1, rests
    if source.is_estimate:
        return None, f"estimated on {counted(images, 'training image')} that the model had not seen"
    rests = f"measured on the {counted(images, 'image')} of {source.dataset}"
    if performance.accuracy_top1 is None or not images:
        return None, rests
    from vision_customization.engine.learning.estimate import wilson_interval  # imports SciPy, which few pages need

    return wilson_interval(performance.accuracy_top1, images), rests
