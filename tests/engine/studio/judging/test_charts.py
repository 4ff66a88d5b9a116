"""How true confidences are, in words."""

import pytest

from vision_customization.contract.judging import Calibration, CalibrationBin, OutcomeKind
from vision_customization.engine.studio.judging.charts import reliability


@pytest.mark.parametrize(
    ("right", "count", "said"),
    [
        (290, 291, "more than 99 of 100"),  # one mistake is not none
        (291, 291, "100 of 100"),
        (99, 100, "99 of 100"),
        (93, 100, "93 of 100"),
        (1, 291, "less than 1 of 100"),
        (0, 291, "0 of 100"),
        (18, 19, "18 of 19"),
    ],
)
def test_a_share_is_not_rounded_to_none_or_all(right: int, count: int, said: str) -> None:
    found = CalibrationBin(low=0.9, high=1.0, count=count, mean_confidence=0.97, share_right=right / count)
    calibration = Calibration(kind=OutcomeKind.ONE_TAG, answers=count, lowest=0.0, bins=[found])
    [sentence] = reliability(calibration).sentences
    assert sentence == f"When it says 0.97, it is right in {said}."
