import numpy as np
import pytest

from benchmarks.coco import average_precisions
from vision_customization.engine.learning.boxes import Detections, LabelledBoxes

BOX = (10.0, 10.0, 50.0, 40.0)
SIX_TENTHS = (10.0, 10.0, 34.0, 40.0)
ELSEWHERE = (60.0, 60.0, 90.0, 90.0)


@pytest.mark.parametrize(
    ("found", "every", "at_half"),
    [
        ([(BOX, 0.9)], 1.0, 1.0),
        ([(SIX_TENTHS, 0.9)], 0.3, 1.0),  # at 0.5, 0.55 and 0.6 of ten
        ([(ELSEWHERE, 0.9), (BOX, 0.8)], 0.5, 0.5),
        ([(ELSEWHERE, 0.9)], 0.0, 0.0),
        ([], 0.0, 0.0),
    ],
)
def test_ap_and_ap50_of_one_object(found: list[tuple[tuple[float, ...], float]], every: float, at_half: float) -> None:
    truth = LabelledBoxes(np.array([BOX], np.float32), np.zeros(1, np.int64))
    corners = np.array([box for box, _ in found], np.float32).reshape(-1, 4)
    scores = np.array([score for _, score in found], np.float32)
    detections = Detections(corners, np.zeros(len(found), np.int64), scores)
    assert average_precisions([truth], [detections], 1) == pytest.approx((every, at_half))


def test_without_objects_both_are_0() -> None:
    nothing = np.empty((0, 4), np.float32), np.empty(0, np.int64)
    assert average_precisions([LabelledBoxes(*nothing)], [Detections(*nothing, np.empty(0, np.float32))], 2) == (0.0, 0.0)
