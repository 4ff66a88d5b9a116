"""How a model does on each tag: pure functions."""

from collections import Counter

from vision_customization.contract.judging import TagOutcome, TagOutcomes
from vision_customization.contract.outcomes import Confusion, Curves, curve_area
from vision_customization.engine.outcomes.cells import CountedCells
from vision_customization.engine.outcomes.ratios import ratios


def by_tag(confusion: Confusion | CountedCells, curves: Curves) -> TagOutcomes:
    """Every tag's numbers, from the cells of the confusion and the area under the tag's curve."""
    right: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    false: Counter[str] = Counter()
    for cell in confusion.cells:
        if cell.label is not None and cell.label == cell.answer:
            right[cell.label] += cell.count
            continue
        if cell.label is not None:
            missed[cell.label] += cell.count
        if cell.answer is not None:
            false[cell.answer] += cell.count

    def outcome(tag: str) -> TagOutcome:
        curve, labels = curves.tags.get(tag), right[tag] + missed[tag]
        return TagOutcome(
            tag=tag,
            labels=labels,
            right=right[tag],
            missed=missed[tag],
            false=false[tag],
            **ratios(right[tag], false[tag], labels),
            average_precision=curve_area(curve) if curve is not None and curve.threshold else None,
        )

    return TagOutcomes(images=confusion.images, threshold=confusion.threshold, tags=[outcome(tag) for tag in confusion.tags])
