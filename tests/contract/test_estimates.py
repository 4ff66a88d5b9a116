from typing import Any

import pytest

from vision_customization.contract.estimates import estimate_text, main_metric, outlook_text
from vision_customization.contract.models import Estimate, ModelPerformance, Outlook

OUTLOOK = Outlook(images=2400, accuracy_top1=0.9312, interval=(0.884, 0.9671))
CLASSIFIER = ModelPerformance(
    accuracy_top1=0.912, estimate=Estimate(images=1200, groups=800, accuracy_top1=(0.841, 0.952), outlook=OUTLOOK)
).to_wire()


def test_a_classifier() -> None:
    assert main_metric(CLASSIFIER) == "accuracyTop1 0.912"
    assert estimate_text(CLASSIFIER) == "accuracyTop1 0.912 (0.84 to 0.95; 1,200 images in 800 groups)"
    assert outlook_text(CLASSIFIER) == "2,400 images: probably 0.931 (0.88 to 0.97)"


@pytest.mark.parametrize(
    ("performance", "said"),
    [
        (ModelPerformance(accuracy_top1=0.5), "accuracyTop1 0.500"),
        (ModelPerformance(mean_average_precision50=0.5, mean_average_precision30=0.7), "meanAveragePrecision50 0.500"),
        (
            ModelPerformance(mean_average_precision=0.7, macro_f1=0.5, estimate=Estimate(images=40, groups=40)),
            "meanAveragePrecision 0.700 (40 images)",
        ),
        (ModelPerformance(), None),
    ],
)
def test_no_outlook_and_no_interval(performance: ModelPerformance, said: str | None) -> None:
    assert estimate_text(performance.to_wire()) == said
    assert outlook_text(performance.to_wire()) is None


@pytest.mark.parametrize(("now", "said"), [(0.9312, "no better"), (0.928, "no better"), (0.92, "0.931")])
def test_less_than_half_a_point_is_no_gain(now: float, said: str) -> None:
    assert outlook_text({**CLASSIFIER, "accuracyTop1": now}) == f"2,400 images: probably {said} (0.88 to 0.97)"


def test_numbers_as_in_a_stacks_state() -> None:
    def as_floats(value: Any) -> Any:  # noqa: ANN401 - JSON
        if isinstance(value, dict):
            return {key: as_floats(item) for key, item in value.items()}
        return [as_floats(item) for item in value] if isinstance(value, list | tuple) else float(value)

    state = as_floats(CLASSIFIER)
    assert estimate_text(state) == estimate_text(CLASSIFIER)
    assert outlook_text(state) == outlook_text(CLASSIFIER)
