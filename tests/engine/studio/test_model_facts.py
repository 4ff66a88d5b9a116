"""What pages say of a model: its main metric, what that rests on, and where the model comes from."""

from datetime import UTC, datetime
from typing import Any

import pytest

from vision_customization.contract.models import Estimate, ModelPerformance
from vision_customization.engine.store.records import PublicationRecord
from vision_customization.engine.studio.model_facts import basis_text, main_metric_text, provenance
from vision_customization.engine.studio.pages.published import Publication

UNSEEN = "each judged by a model that had not seen it."
CANDIDATES = [{"name": "centre", "accuracy": 0.8}, {"name": "whole", "accuracy": 0.9}]
ACCURATE = ModelPerformance(accuracy_top1=0.9125, calibration_ece=0.01)


@pytest.mark.parametrize(
    ("performance", "expected"),
    [
        (None, None),
        (ModelPerformance(), None),
        (ACCURATE, "Accuracy 0.912"),
        (ModelPerformance(mean_average_precision50=0.9988, mean_average_precision75=0.9), "mAP@50 0.999"),
    ],
)
def test_the_main_metric_in_words(performance: ModelPerformance | None, expected: str | None) -> None:
    assert main_metric_text(performance) == expected


@pytest.mark.parametrize(
    ("estimate", "test_dataset", "expected"),
    [
        (None, "cats-test", "Measured on cats-test."),
        (None, None, "Estimated on training images that were kept aside."),
        (
            Estimate(images=120, groups=120),
            None,
            f"Estimated on 120 training images, {UNSEEN}",
        ),
        (
            Estimate(images=120, groups=80, accuracy_top1=(0.84, 0.95)),
            None,
            (
                f"Estimated on 120 training images (80 groups of images that look alike), {UNSEEN} "
                "With 95 % confidence, the true accuracy is between 0.84 and 0.95."
            ),
        ),
    ],
)
def test_what_the_metrics_rest_on(estimate: Estimate | None, test_dataset: str | None, expected: str) -> None:
    assert basis_text(ACCURATE.model_copy(update={"estimate": estimate}), test_dataset) == expected


@pytest.mark.parametrize(
    ("sidecar", "expected"),
    [
        ({}, []),
        ({"features": "0a774f5e9eb9b72e"}, [("Pretrained network", "digest 0a774f5e9eb9b72e")]),
        ({"features": "NanoDet-g"}, [("Pretrained network", "NanoDet-g")]),
        ({"recipe": {"side": 416, "tiles": 1}}, [("Recipe", "side 416, tiles 1")]),
        (
            {
                "recipe": {
                    "chosen": "whole",
                    "candidates": CANDIDATES,
                }
            },
            [("Recipe", "whole, by the estimated accuracy of each candidate: centre 0.800, whole 0.900")],
        ),
    ],
)
def test_where_a_model_comes_from(sidecar: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert provenance(sidecar) == expected


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        (None, None),
        ("a key", "with a key"),
        ("mona@example.com", "by mona@example.com"),
        ("pulumi:photos/dev", "by the Pulumi stack `photos/dev`"),
    ],
)
def test_who_published_a_model(who: str | None, expected: str | None) -> None:
    record = PublicationRecord("cats", "cats-1", None, datetime(2026, 1, 1, tzinfo=UTC), who, None, available=True)
    assert Publication.of(record).by == expected
