"""A model and its datasets, as a stack's file has them."""

from typing import Any

import pytest
import yaml

from vision_customization.customization.program.stack_entry import stack_entry, stack_yaml

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
        # A detector needs an hour for each 149 images; a gate needs images to evaluate on.
        (
            "imageObjectDetection",
            300,
            None,
            {"meanAveragePrecision50": 0.9},
            {"modelKind": "Generic-Detector", "trainingDataset": "m-train", "timeBudgetInHours": 3, "publish": True},
        ),
    ],
)
def test_the_entry(kind: str, images: int, evaluation: Any, require: dict[str, float], model: dict[str, Any]) -> None:  # noqa: ANN401
    entry = stack_entry("m", kind, images, TRAIN, evaluation, require)
    assert entry["models"] == {"m": model}
    assert entry["datasets"]["m-train"] == {"annotationKind": kind, **TRAIN}
    assert ("m-test" in entry["datasets"]) is (evaluation is not None)


@pytest.mark.parametrize("name", ["leaves", "007", "yes", "2020-01-01"])
def test_the_yaml_is_read_as_it_was_meant(name: str) -> None:
    entry = stack_entry(name, "imageClassification", 10, TRAIN)
    config = yaml.safe_load(stack_yaml(entry, "mine"))["config"]
    assert config == {f"mine:{key}": value for key, value in entry.items()}
