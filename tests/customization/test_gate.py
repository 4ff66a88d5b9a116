import pytest

from customization.gate import faults


@pytest.mark.parametrize(
    ("require", "said"),
    [
        ({}, []),
        ({"accuracyTop1": 0.0, "calibrationECE": 1.0}, []),
        ({"accuracyTop1": 90}, ["accuracyTop1 is required to be 90, and metrics are between 0 and 1"]),
        ({"accuracyTop1": float("nan")}, ["accuracyTop1 is required to be nan, and metrics are between 0 and 1"]),
        (
            {"accuracy": 0.9},
            ["'accuracy' is no metric; those are accuracyTop1, accuracyTop5, averagePrecision, calibrationECE"],
        ),
    ],
)
def test_faults(require: dict[str, float], said: list[str]) -> None:
    assert faults(require) == said
