import pytest

from vision_customization.common.dataset_content.three_way import Outcome, outcome

A, B, C = ["a"], ["b"], ["c"]
EMPTY: list[str] = []


@pytest.mark.parametrize(
    ("base", "mine", "theirs", "expected"),
    [
        # nobody changed it
        (A, A, A, Outcome.MINE),
        (None, None, None, Outcome.MINE),
        # one side changed it
        (A, B, A, Outcome.MINE),
        (A, A, B, Outcome.THEIRS),
        (A, None, A, Outcome.MINE),
        (A, A, None, Outcome.THEIRS),
        (None, A, None, Outcome.MINE),
        (None, None, A, Outcome.THEIRS),
        (A, EMPTY, A, Outcome.MINE),
        (EMPTY, EMPTY, A, Outcome.THEIRS),
        # both did the same
        (A, B, B, Outcome.MINE),
        (A, None, None, Outcome.MINE),
        (None, A, A, Outcome.MINE),
        # both, differently
        (A, B, C, Outcome.CONFLICT),
        (A, None, B, Outcome.CONFLICT),
        (A, EMPTY, B, Outcome.CONFLICT),
        (A, B, EMPTY, Outcome.CONFLICT),
        (None, A, B, Outcome.CONFLICT),
        (None, A, EMPTY, Outcome.CONFLICT),
        # they removed what mine has changed
        (A, B, None, Outcome.KEPT),
        # both added it, and only theirs labelled it
        (None, EMPTY, B, Outcome.THEIRS),
    ],
)
def test_outcome(base: list[str] | None, mine: list[str] | None, theirs: list[str] | None, expected: Outcome) -> None:
    assert outcome(base, mine, theirs) is expected
