"""What a threshold and a comparison mean, in words for readers who do not know statistics. CLI and pages say the same."""

from __future__ import annotations

from vision_customization.contract.judging import AtThreshold, Comparison, OutcomeKind
from vision_customization.contract.texts import counted

CHANCE = 0.05
"""A difference at least this probable among equally good models may be chance: the usual level (Fisher 1925)."""


def threshold_text(at: AtThreshold) -> str:
    """What counts at a threshold, and what it costs: two or three sentences."""
    start = f"From a confidence of {at.threshold:.2f} on, the model"
    ratios = ", ".join(
        f"{name} {value:.3f}"
        for name, value in (("precision", at.precision), ("recall", at.recall), ("F1", at.f1))
        if value is not None
    )
    after = f" ({ratios})." if ratios else "."
    if at.kind is OutcomeKind.ONE_TAG:
        return f"{start} {_answered(at)}{after}{_unanswered(at)}"
    if at.kind is OutcomeKind.SEVERAL_TAGS:
        given = f"gives '{at.tag}' to {counted(at.right + at.false, 'image')}, {at.false:,} of them falsely"
        return f"{start} {given}, and misses it on {at.missed:,} of the {counted(at.labels, 'image')} that have it{after}"
    what = "object" if at.tag is None else f"'{at.tag}' object"
    found = f"finds {at.right:,} of {counted(at.labels, what)}, misses {at.missed:,}"
    return f"{start} {found}, and is wrong with {at.false:,} of its {counted(at.right + at.false, 'answer')}{after}"


def _answered(at: AtThreshold) -> str:
    answers = at.right + at.false
    if at.tag is None:
        return f"answers {answers:,} of {counted(at.images, 'image')}: {at.right:,} right, {at.false:,} wrong"
    return f"answers '{at.tag}' for {counted(answers, 'image')}: {at.right:,} right, {at.false:,} wrong"


def _unanswered(at: AtThreshold) -> str:
    if not at.unanswered:
        return ""
    which = "without an answer" if at.tag is None else f"for which '{at.tag}' is below the threshold"
    wrong = at.unanswered - at.missed
    return f" Of the {counted(at.unanswered, 'image')} {which}, it would be right on {at.missed:,} and wrong on {wrong:,}."


def comparison_text(comparison: Comparison, first: str, second: str) -> str:
    """Which of two models, by their names, is better on the same images, and whether that may be chance."""
    if not comparison.images:
        return f"'{first}' and '{second}' have no image in common, so they can't be compared."
    ahead, behind = (first, second) if comparison.only_first >= comparison.only_second else (second, first)
    more, fewer = sorted((comparison.only_first, comparison.only_second), reverse=True)
    images = counted(comparison.images, "image")
    if not more:
        said = f"'{first}' and '{second}' are right on the same {comparison.both_right:,} of {images}."
    elif more == fewer:
        said = f"On {images}, '{first}' and '{second}' are each right on {more:,} where the other is wrong: neither is better."
    else:
        said = (
            f"On {images}, '{ahead}' is right on {more:,} where '{behind}' is wrong, and '{behind}' on {fewer:,} where "
            f"'{ahead}' is wrong. {_chance(ahead, comparison.p_value)}"
        )
    return " ".join([said, *_reservations(comparison)])


def _chance(ahead: str, p_value: float) -> str:
    often, p = f"about {100 * p_value:.0f}", f"p = {p_value:.2f}"
    if p_value < 0.01:
        often, p = "fewer than 1", "p < 0.01"
    said = f"two equally good models would differ at least this much in {often} of 100 such comparisons."
    return f"'{ahead}' is probably better ({p}): {said}" if p_value < CHANCE else f"The difference may be chance ({p}): {said}"


def _reservations(comparison: Comparison) -> list[str]:
    said = []
    if comparison.labels_differ:
        said.append(f"{counted(comparison.labels_differ, 'image')} had other labels for one model than for the other.")
    if alone := comparison.only_in_first + comparison.only_in_second:
        said.append(f"{counted(alone, 'image')} of only one model did not count.")
    return said
