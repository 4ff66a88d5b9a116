import pytest
from pulumi.output import UNKNOWN

from vision_customization.contract.gate import METRICS, misses
from vision_customization.customization.resources.evaluation import EvaluationProvider, GateNotPassed, judge, metrics_line

PERFORMANCE = {
    "accuracyTop1": 0.9,
    "averagePrecision": 0.95,
    "calibrationECE": 0.04,
    "tagPerformance": {"a": {"accuracy": 0.9}},
}


@pytest.mark.parametrize(
    ("require", "said"),
    [
        ({}, []),
        ({"accuracyTop1": 0.9}, []),
        ({"accuracyTop1": 0.91}, ["accuracyTop1 is 0.9000, below the required 0.91"]),
        ({"calibrationECE": 0.05}, []),
        ({"calibrationECE": 0.03}, ["calibrationECE is 0.0400, above the allowed 0.03"]),
        (
            {"meanAveragePrecision50": 0.5},
            ["meanAveragePrecision50 is not among the metrics of this model, but 0.5 is required"],
        ),
    ],
)
def test_misses(require: dict[str, float], said: list[str]) -> None:
    assert misses(PERFORMANCE, require) == said


def test_a_gate_that_is_not_passed_says_metric_value_threshold_and_what_to_do() -> None:
    with pytest.raises(GateNotPassed) as raised:
        judge(PERFORMANCE, {"model_name": "m-1", "dataset_name": "test", "require": {"accuracyTop1": 0.95}})
    for part in ("m-1", "test", "accuracyTop1", "0.9000", "0.95", "stays as it is", "needs no training"):
        assert part in str(raised.value)


def test_check_names_the_metrics_there_are() -> None:
    declared = {"dataset_name": "test", "dataset_digest": "d" * 64, "require": {"accuracy": 0.9}}
    [failure] = EvaluationProvider().check({}, declared).failures
    assert "'accuracy' is not a metric" in failure.reason
    assert all(metric in failure.reason for metric in METRICS)


OLDS = {
    "endpoint": "e",
    "model_name": "m",
    "dataset_name": "test",
    "dataset_digest": "d" * 64,
    "require": {"accuracyTop1": 0.8},
    "evaluation_name": "test-dddddddd",
    "performance": PERFORMANCE,
    "row_urn": "urn",
}


@pytest.mark.parametrize(
    ("model_kind", "annotation_kind", "said"),
    [
        ("Generic-Classifier", "imageClassification", None),
        ("Product-Recognizer", "imageObjectDetection", None),
        (
            "Generic-Classifier",
            "imageObjectDetection",
            (
                "dataset 'test' is of kind imageObjectDetection, but model 'm', a Generic-Classifier, needs "
                "imageClassification or imageMultiLabelClassification. "
            ),
        ),
        (
            "Generic-Detector",
            "imageClassification",
            "dataset 'test' is of kind imageClassification, but model 'm', a Generic-Detector, needs imageObjectDetection. ",
        ),
        (UNKNOWN, "imageClassification", None),
        ("Generic-Detector", UNKNOWN, None),
        (None, None, None),
    ],
)
def test_a_dataset_of_the_wrong_kind_is_refused_before_anything_is_made(
    model_kind: object, annotation_kind: object, said: str | None
) -> None:
    news = {**OLDS, "model_kind": model_kind, "annotation_kind": annotation_kind, "require": {}}
    failures = EvaluationProvider().check({}, news).failures
    assert [failure.property for failure in failures] == (["dataset"] if said else [])
    assert not said or failures[0].reason.startswith(said)


@pytest.mark.parametrize(
    ("model_kind", "metric", "said"),
    [
        ("Generic-Detector", "meanAveragePrecision50", None),
        (
            "Generic-Detector",
            "accuracyTop1",
            "'accuracyTop1' is not a metric of a Generic-Detector; choose from meanAveragePrecision30, ",
        ),
        ("Generic-Classifier", "meanAveragePrecision50", "'meanAveragePrecision50' is not a metric of a Generic-Classifier; "),
        (UNKNOWN, "accuracyTop1", None),
        (UNKNOWN, "meanAveragePrecision50", None),
        (None, "meanAveragePrecision50", None),
    ],
)
def test_a_gate_that_no_model_of_the_kind_can_pass_is_refused_before_anything_is_made(
    model_kind: object, metric: str, said: str | None
) -> None:
    news = {**OLDS, "model_kind": model_kind, "annotation_kind": UNKNOWN, "require": {metric: 0.5}}
    failures = EvaluationProvider().check({}, news).failures
    assert [failure.property for failure in failures] == (["require"] if said else [])
    assert not said or failures[0].reason.startswith(said)


def test_a_state_without_the_kinds_is_no_difference() -> None:
    news = {**OLDS, "model_kind": "Generic-Classifier", "annotation_kind": "imageClassification"}
    assert not EvaluationProvider().diff("id", OLDS, news).changes


def test_another_gate_is_judged_on_the_numbers_there_are() -> None:
    provider = EvaluationProvider()
    news = {**OLDS, "require": {"accuracyTop1": 0.85}}
    result = provider.diff("id", OLDS, news)
    assert result.changes
    assert result.replaces == []
    assert provider.update("id", OLDS, news).outs["performance"] == PERFORMANCE


def test_another_model_is_another_evaluation() -> None:
    assert EvaluationProvider().diff("id", OLDS, {**OLDS, "model_name": "n"}).replaces == ["model_name"]


def test_metrics_line_has_the_numbers_of_the_whole_model() -> None:
    assert metrics_line(PERFORMANCE) == "accuracyTop1 0.900, averagePrecision 0.950, calibrationECE 0.040"


@pytest.mark.parametrize(
    ("annotation_kind", "trained_from", "require", "said"),
    [
        ("imageMultiLabelClassification", "imageMultiLabelClassification", {"meanAveragePrecision": 0.9}, []),
        ("imageMultiLabelClassification", None, {}, []),  # a promoted model
        ("imageMultiLabelClassification", UNKNOWN, {}, []),
        (
            "imageClassification",
            "imageMultiLabelClassification",
            {},
            [
                (
                    "dataset 'test' is of kind imageClassification, but model 'm' is trained from a dataset of kind "
                    "imageMultiLabelClassification. Use a dataset of that kind"
                )
            ],
        ),
        (
            "imageMultiLabelClassification",
            "imageMultiLabelClassification",
            {"accuracyTop1": 0.9},
            [
                (
                    "'accuracyTop1' is not a metric of a Generic-Classifier for imageMultiLabelClassification; choose from "
                    "meanAveragePrecision, macroF1, calibrationECE"
                )
            ],
        ),
    ],
)
def test_several_tags_are_evaluated_on_several_tags(
    annotation_kind: str, trained_from: object, require: dict[str, float], said: list[str]
) -> None:
    kinds = {"model_kind": "Generic-Classifier", "annotation_kind": annotation_kind, "trained_from": trained_from}
    failures = EvaluationProvider().check({}, {**OLDS, **kinds, "require": require}).failures
    assert [failure.reason for failure in failures] == said
