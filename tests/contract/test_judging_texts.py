from typing import Any

import pytest

from vision_customization.contract.judging import AtThreshold, Comparison, OutcomeKind
from vision_customization.contract.judging_texts import comparison_text, threshold_text


def at(kind: OutcomeKind, **numbers: Any) -> AtThreshold:  # noqa: ANN401
    counts = {"images": 500, "labels": 500, "right": 350, "false": 50, "missed": 20}
    return AtThreshold.model_validate({"kind": kind, "threshold": 0.7, "lowest": 0, **counts, **numbers})


RATIOS = {"precision": 0.875, "recall": 0.7, "f1": 0.77777}
SAID = "From a confidence of 0.70 on, the model "


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        (
            at(OutcomeKind.ONE_TAG, unanswered=100, **RATIOS),
            [
                "answers 400 of 500 images: 350 right, 50 wrong (precision 0.875, recall 0.700, F1 0.778).",
                "Of the 100 images without an answer, it would be right on 20 and wrong on 80.",
            ],
        ),
        (at(OutcomeKind.ONE_TAG, unanswered=0, right=450), ["answers 500 of 500 images: 450 right, 50 wrong."]),
        (
            at(OutcomeKind.ONE_TAG, tag="oak", labels=60, right=40, false=0, missed=1, unanswered=1, recall=2 / 3),
            [
                "answers 'oak' for 40 images: 40 right, 0 wrong (recall 0.667).",
                "Of the 1 image for which 'oak' is below the threshold, it would be right on 1 and wrong on 0.",
            ],
        ),
        (
            at(OutcomeKind.SEVERAL_TAGS, tag="oak", labels=60, right=40, false=5, missed=20, precision=40 / 45),
            [
                "gives 'oak' to 45 images, 5 of them falsely,",
                "and misses it on 20 of the 60 images that have it (precision 0.889).",
            ],
        ),
        (
            at(OutcomeKind.OBJECTS, labels=1200, right=1180, false=5, missed=20),
            ["finds 1,180 of 1,200 objects, misses 20, and is wrong with 5 of its 1,185 answers."],
        ),
        (
            at(OutcomeKind.OBJECTS, tag="cat", labels=1, right=0, false=0, missed=1),
            ["finds 0 of 1 'cat' object, misses 1, and is wrong with 0 of its 0 answers."],
        ),
    ],
)
def test_a_threshold(numbers: AtThreshold, said: list[str]) -> None:
    assert threshold_text(numbers) == SAID + " ".join(said)


def compared(only_first: int, only_second: int, p_value: float, **numbers: int) -> Comparison:
    return Comparison(
        kind=OutcomeKind.ONE_TAG,
        images=numbers.get("images", 500),
        both_right=400,
        only_first=only_first,
        only_second=only_second,
        both_wrong=100 - only_first - only_second,
        only_in_first=numbers.get("alone", 0),
        only_in_second=0,
        labels_differ=numbers.get("labels", 0),
        p_value=p_value,
    )


def often(times: str) -> str:
    return f"two equally good models would differ at least this much in {times} of 100 such comparisons."


@pytest.mark.parametrize(
    ("comparison", "said"),
    [
        (compared(0, 0, 1), ["'a' and 'b' are right on the same 400 of 500 images."]),
        (compared(4, 4, 1), ["On 500 images, 'a' and 'b' are each right on 4 where the other is wrong: neither is better."]),
        (
            compared(9, 5, 0.424),
            [
                "On 500 images, 'a' is right on 9 where 'b' is wrong, and 'b' on 5 where 'a' is wrong.",
                "The difference may be chance (p = 0.42):",
                often("about 42"),
            ],
        ),
        (
            compared(2, 10, 0.0386),
            [
                "On 500 images, 'b' is right on 10 where 'a' is wrong, and 'a' on 2 where 'b' is wrong.",
                "'b' is probably better (p = 0.04):",
                often("about 4"),
            ],
        ),
        (
            compared(50, 2, 1e-9),
            [
                "On 500 images, 'a' is right on 50 where 'b' is wrong, and 'b' on 2 where 'a' is wrong.",
                "'a' is probably better (p < 0.01):",
                often("fewer than 1"),
            ],
        ),
        (
            compared(1, 0, 1, labels=1, alone=1200),
            [
                "On 500 images, 'a' is right on 1 where 'b' is wrong, and 'b' on 0 where 'a' is wrong.",
                "The difference may be chance (p = 1.00):",
                often("about 100"),
                "1 image had other labels for one model than for the other.",
                "1,200 images of only one model did not count.",
            ],
        ),
        (compared(0, 0, 1, images=0), ["'a' and 'b' have no image in common, so they can't be compared."]),
    ],
)
def test_a_comparison(comparison: Comparison, said: list[str]) -> None:
    assert comparison_text(comparison, "a", "b") == " ".join(said)
