import pytest

from vision_customization.contract.curve_plot import Plot, curve_line, curve_point
from vision_customization.contract.outcomes import Curve

CURVE = Curve(precision=[1.0, 0.5], recall=[0.5, 1.0], threshold=[0.9, 0.4])
NOTHING = Curve(precision=[], recall=[], threshold=[])


def test_recall_is_drawn_to_the_right_and_precision_upwards() -> None:
    assert curve_line(Plot(100, 20, 10), CURVE) == "20.0,10.0 70.0,10.0 120.0,60.0"
    assert curve_line(Plot(100, 20, 10), NOTHING) == ""


@pytest.mark.parametrize(
    ("curve", "threshold", "expected"),
    [
        (CURVE, 0.95, None),
        (CURVE, 0.9, (1.0, 0.5)),
        (CURVE, 0.5, (1.0, 0.5)),
        (CURVE, 0.4, (0.5, 1.0)),
        (CURVE, 0.0, (0.5, 1.0)),
        (NOTHING, 0.5, None),
    ],
)
def test_the_point_at_a_threshold(curve: Curve, threshold: float, expected: tuple[float, float] | None) -> None:
    assert curve_point(curve, threshold) == expected
