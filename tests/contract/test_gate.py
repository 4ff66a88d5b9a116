import pytest

from vision_customization.contract.enums import ModelKind
from vision_customization.contract.gate import METRICS, Performance, faults, misses
from vision_customization.contract.models import ModelPerformance


@pytest.mark.parametrize(
    ("require", "said"),
    [
        ({}, []),
        ({"accuracyTop1": 0.0, "calibrationECE": 1.0}, []),
        ({"meanAveragePrecision30": 0.7, "meanAveragePrecision50": 0.5, "meanAveragePrecision75": 0.3}, []),
        ({"accuracyTop1": 90}, ["accuracyTop1 is required to be 90, but metrics are between 0 and 1"]),
        ({"accuracyTop1": float("nan")}, ["accuracyTop1 is required to be nan, but metrics are between 0 and 1"]),
        (
            {"accuracy": 0.9},
            [f"'accuracy' is not a metric; choose from {', '.join(METRICS)}"],
        ),
    ],
)
def test_faults(require: dict[str, float], said: list[str]) -> None:
    assert faults(require) == said


@pytest.mark.parametrize(
    ("kind", "metric", "said"),
    [
        (ModelKind.GENERIC_CLASSIFIER, "calibrationECE", None),
        (ModelKind.GENERIC_DETECTOR, "meanAveragePrecision30", None),
        (
            ModelKind.GENERIC_DETECTOR,
            "accuracyTop1",
            (
                "'accuracyTop1' is not a metric of a Generic-Detector; choose from meanAveragePrecision30, "
                "meanAveragePrecision50, "
            ),
        ),
        (
            ModelKind.PRODUCT_RECOGNIZER,
            "averagePrecision",
            "'averagePrecision' is not a metric of a Product-Recognizer; choose from mean",
        ),
        (
            ModelKind.GENERIC_CLASSIFIER,
            "meanAveragePrecision50",
            (
                "'meanAveragePrecision50' is not a metric of a Generic-Classifier; choose from accuracyTop1, accuracyTop5, "
                "averagePr"
            ),
        ),
    ],
)
def test_a_metric_that_no_model_of_the_kind_has(kind: ModelKind, metric: str, said: str | None) -> None:
    found = faults({metric: 0.5}, kind)
    assert len(found) == (said is not None)
    assert said is None or found[0].startswith(said)


@pytest.mark.parametrize(
    ("annotation_kind", "metric", "said"),
    [
        ("imageMultiLabelClassification", "meanAveragePrecision", []),
        ("imageMultiLabelClassification", "calibrationECE", []),
        (
            "imageMultiLabelClassification",
            "accuracyTop1",
            [
                (
                    "'accuracyTop1' is not a metric of a Generic-Classifier for imageMultiLabelClassification; choose from "
                    "meanAveragePrecision, macroF1, calibrationECE"
                )
            ],
        ),
        (
            "imageClassification",
            "macroF1",
            [
                (
                    "'macroF1' is not a metric of a Generic-Classifier for imageClassification; choose from accuracyTop1, "
                    "accuracyTop5, averagePrecision, calibrationECE"
                )
            ],
        ),
        (None, "macroF1", []),
        (None, "accuracyTop1", []),
        ("imageObjectDetection", "macroF1", []),  # the mismatch of kinds is reported instead
    ],
)
def test_what_a_classifier_is_measured_by_depends_on_its_dataset(
    annotation_kind: str | None, metric: str, said: list[str]
) -> None:
    assert faults({metric: 0.5}, ModelKind.GENERIC_CLASSIFIER, annotation_kind) == said


def test_every_metric_of_a_whole_model_can_be_required() -> None:
    assert set(METRICS) == {field.alias for field in ModelPerformance.model_fields.values()} - {"tagPerformance", "estimate"}


def test_the_type_of_a_performance_as_json_has_every_field() -> None:
    assert set(Performance.__annotations__) == {field.alias for field in ModelPerformance.model_fields.values()}


def test_a_detector_is_held_against_its_own_metrics() -> None:
    performance = ModelPerformance(mean_average_precision50=0.4, tag_performance={"cat": {"averagePrecision50": 0.4}}).to_wire()
    assert misses(performance, {"meanAveragePrecision50": 0.4}) == []
    assert misses(performance, {"meanAveragePrecision50": 0.5, "accuracyTop1": 0.5}) == [
        "accuracyTop1 is not among the metrics of this model, but 0.5 is required",
        "meanAveragePrecision50 is 0.4000, below the required 0.5",
    ]
