"""A model and its datasets, as a stack's file has them."""

from typing import Any

import pytest
import yaml

from vision_customization.contract.enums import ModelKind
from vision_customization.contract.training_time import ASSUMED_SPEED, Workload, hours_for
from vision_customization.customization.program.stack_entry import stack_entry, stack_yaml

HOURS = hours_for(Workload(ModelKind.GENERIC_DETECTOR, 100_000, 3), ASSUMED_SPEED)
TRAIN, TEST = ({"source": "data", "annotationFiles": [name]} for name in ("train.json", "test.json"))


@pytest.mark.parametrize(
    ("kind", "images", "evaluation", "require", "model"),
    [
        (
            "imageClassification",
            300,
            TEST,
            {"accuracyTop1": 0.9},
            {
                "modelKind": "Generic-Classifier",
                "trainingDataset": "m-train",
                "evaluationDataset": "m-test",
                "timeBudgetInHours": 1,
                "require": {"accuracyTop1": 0.9},
                "publish": True,
            },
        ),
        # The hours hold the whole training; a gate needs images to evaluate on.
        (
            "imageObjectDetection",
            100_000,
            None,
            {"meanAveragePrecision50": 0.9},
            {"modelKind": "Generic-Detector", "trainingDataset": "m-train", "timeBudgetInHours": HOURS, "publish": True},
        ),
    ],
)
def test_the_entry(kind: str, images: int, evaluation: Any, require: dict[str, float], model: dict[str, Any]) -> None:  # noqa: ANN401
    entry = stack_entry("m", kind, images, 3, TRAIN, evaluation, require)
    assert entry["models"] == {"m": model}
    assert HOURS > 1
    assert entry["datasets"]["m-train"] == {"annotationKind": kind, **TRAIN}
    assert ("m-test" in entry["datasets"]) is (evaluation is not None)


@pytest.mark.parametrize("name", ["leaves", "007", "yes", "2020-01-01"])
def test_the_yaml_is_read_as_it_was_meant(name: str) -> None:
    entry = stack_entry(name, "imageClassification", 10, 2, TRAIN)
    config = yaml.safe_load(stack_yaml(entry, "mine"))["config"]
    assert config == {f"mine:{key}": value for key, value in entry.items()}
