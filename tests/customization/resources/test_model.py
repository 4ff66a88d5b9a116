from collections.abc import Iterator
from dataclasses import asdict

import pytest
from pulumi.output import UNKNOWN

from tests.customization.fake_service import KEY, Answer, FakeService, Received, fake_service
from vision_customization.contract.enums import ModelKind
from vision_customization.contract.models import Model as TrainedModel
from vision_customization.contract.training_speed import TrainingSpeed
from vision_customization.contract.training_time import ASSUMED_SPEED, Speed, Workload, budget_fault, detector_steps
from vision_customization.customization.errors import TilesIgnored
from vision_customization.customization.resources.engine_speed import engine_speed
from vision_customization.customization.resources.model import (
    ModelProvider,
    NameTaken,
    check_trained_here,
    outcome_line,
    physical_name,
)
from vision_customization.customization.resources.retraining import estimate, why_retrained, workload
from vision_customization.customization.resources.row import Row
from vision_customization.engine.learning.detection.recipe import choose_recipe

DECLARED = {
    "endpoint": "http://127.0.0.1:1",
    "key": "k",
    "logical_name": "leaves",
    "model_kind": "Generic-Classifier",
    "training_dataset": "leaves-train",
    "training_digest": "a" * 64,
    "training_tags": {"hemlock": 10.0, "cherry": 10.0},
    "annotation_kind": "imageClassification",
    "time_budget_in_hours": 1.0,
    "row_urn": "urn:pulumi:local::p::t::leaves",
}


BOXES = {"model_kind": "Generic-Detector", "annotation_kind": "imageObjectDetection"}


def test_the_physical_name_says_what_the_model_is_trained_from() -> None:
    name = physical_name(DECLARED)
    assert name.startswith("leaves-")
    assert len(name) == len("leaves-") + 8
    assert name == physical_name({**DECLARED, "endpoint": "http://elsewhere", "timeout_seconds": 7})
    assert name == physical_name({**DECLARED, "time_budget_in_hours": 1})


@pytest.mark.parametrize(
    "other",
    [{"training_digest": "b" * 64}, {"time_budget_in_hours": 2.0}, {"model_kind": "Generic-Detector"}, {"tiles": 2.0}],
)
def test_another_training_has_another_name(other: dict[str, object]) -> None:
    assert physical_name({**DECLARED, **other}) != physical_name(DECLARED)


def test_a_model_of_one_tile_is_called_what_it_was_before_there_were_tiles() -> None:
    assert physical_name({**DECLARED, "tiles": 1.0}) == physical_name(DECLARED) == "leaves-ccee0003"


@pytest.mark.parametrize(
    ("wrong", "property_name", "said"),
    [
        ({"model_kind": "Classifier"}, "model_kind", "'Classifier' is not a model kind; choose from Generic-Classifier"),
        (
            {"annotation_kind": "imageObjectDetection"},
            "training_dataset",
            "dataset 'leaves-train' is of kind imageObjectDetection, but model 'leaves', a Generic-Classifier, needs",
        ),
        (
            {"annotation_kind": "imageObjectDetection", "training_dataset": UNKNOWN},
            "training_dataset",
            "the dataset is of kind imageObjectDetection, but model 'leaves', a Generic-Classifier, needs",
        ),
        ({"time_budget_in_hours": 337.0}, "time_budget_in_hours", "1 to 336"),
        ({"time_budget_in_hours": 0.0}, "time_budget_in_hours", "1 to 336"),
        (
            {"tiles": 2.0},
            "tiles",
            "must be 1 for a Generic-Classifier, which analyzes each image as a whole; a Generic-Detector",
        ),
        ({**BOXES, "tiles": 5.0}, "tiles", "must be an integer from 1 to 4, not 5"),
        ({**BOXES, "tiles": 1.5}, "tiles", "must be an integer from 1 to 4, not 1.5"),
        ({**BOXES, "tiles": 0.0}, "tiles", "must be an integer from 1 to 4, not 0"),
        ({**BOXES, "tiles": "three"}, "tiles", "must be an integer from 1 to 4, not three"),
        (
            {"training_tags": {"a": 50_000.0, "b": 10_000.0}},
            "time_budget_in_hours",
            "images: the shortest training from them is estimated to take 3.3 h. Set timeBudgetInHours to 4, or use fewer",
        ),
    ],
)
def test_check_refuses(wrong: dict[str, object], property_name: str, said: str) -> None:
    [failure, *_] = ModelProvider().check({}, {**DECLARED, **wrong}).failures
    assert failure.property == property_name
    assert said in failure.reason


@pytest.mark.parametrize("kind", ["Generic-Detector", "Product-Recognizer"])
def test_a_detector_is_not_trained_from_labels_for_classification(kind: str) -> None:
    reasons = [failure.reason for failure in ModelProvider().check({}, {**DECLARED, "model_kind": kind}).failures]
    assert reasons[-1] == (
        f"dataset 'leaves-train' is of kind imageClassification, but model 'leaves', a {kind}, needs imageObjectDetection. "
        "Use a dataset of that kind, or make the model a Generic-Classifier"
    )


def test_a_kind_that_a_preview_does_not_know_yet_is_no_fault() -> None:
    assert ModelProvider().check({}, {**DECLARED, "annotation_kind": UNKNOWN}).failures == []
    assert ModelProvider().check({}, {**DECLARED, "model_kind": UNKNOWN}).failures == []


@pytest.mark.parametrize("tiles", [1.0, 2.0, 4.0, UNKNOWN])
def test_tiles_of_a_detector(tiles: object) -> None:
    checked = ModelProvider().check({}, {**DECLARED, **BOXES, "tiles": tiles})
    assert checked.failures == []
    assert ("model_name" in checked.inputs) == (tiles is not UNKNOWN)


@pytest.mark.parametrize(
    ("kind", "images", "refused"),
    [
        ("Generic-Detector", 90_000.0, True),  # reading takes 0.1 s an image
        ("Generic-Detector", 160.0, False),
        ("Generic-Detector", UNKNOWN, False),
        ("Product-Recognizer", 160.0, False),
        ("Product-Recognizer", 90_000.0, True),
    ],
)
def test_a_detectors_budget_is_judged_by_its_images_not_its_boxes(kind: str, images: object, refused: bool) -> None:
    declared = {**DECLARED, "model_kind": kind, "annotation_kind": "imageObjectDetection"}
    news = {**declared, "training_tags": {"RBC": 238_100.0, "WBC": 21_400.0}, "training_images": images}
    failed = [failure.property for failure in ModelProvider().check({}, news).failures]
    assert failed == ["time_budget_in_hours"] * refused


def test_what_is_trained_already_is_not_judged_again() -> None:
    many = {**DECLARED, "training_tags": {"a": 50_000.0, "b": 10_000.0}}
    assert ModelProvider().check({"model_name": physical_name(many)}, many).failures == []
    assert ModelProvider().check({"model_name": "leaves-01234567"}, many).failures != []


SLOW = Speed(embedded_image_seconds=720.0, read_image_seconds=360.0, step_seconds=36.0, start_seconds=60.0)


@pytest.fixture
def slow_engine() -> Iterator[FakeService]:
    with fake_service() as service:
        service.handler = lambda _request: Answer(200, TrainingSpeed(**asdict(SLOW)).to_wire())
        yield service


def test_the_preview_judges_by_the_speed_of_the_engine(slow_engine: FakeService) -> None:
    declared = {**DECLARED, "endpoint": slow_engine.url, "key": KEY}
    [failure] = ModelProvider().check({}, declared).failures
    assert failure.reason == budget_fault(Workload(ModelKind.GENERIC_CLASSIFIER, 20, 2), 1, SLOW)
    assert "20 images: the shortest training from them is estimated to take 4.0 h" in failure.reason
    assert ModelProvider().check({}, {**declared, "time_budget_in_hours": 4.0}).failures == []
    asked = [request.path.removeprefix("/computervision/") for request in slow_engine.received]
    assert asked.count("training:speed") == 1
    assert asked.count(f"models/{physical_name(declared)}") == 1


def test_a_preview_without_a_training_does_not_ask_the_engine(slow_engine: FakeService) -> None:
    news = {**DECLARED, "endpoint": slow_engine.url, "model_name": physical_name(DECLARED)}
    assert ModelProvider().check(news, news).failures == []
    assert not ModelProvider().diff("id", news, news).changes
    assert slow_engine.received == []


@pytest.mark.parametrize("status", [404, 503, 401])
def test_of_a_service_that_does_not_say_its_speed_it_is_assumed(status: int) -> None:
    with fake_service() as service:
        service.handler = lambda _request: Answer(status, {})
        assert engine_speed({**DECLARED, "endpoint": service.url}) == ASSUMED_SPEED
        assert len(service.received) == 1


@pytest.mark.parametrize("unknown", ["endpoint", "key"])
def test_the_speed_of_an_engine_that_is_not_there_yet_is_assumed(unknown: str) -> None:
    assert engine_speed({**DECLARED, unknown: UNKNOWN}) == ASSUMED_SPEED
    assert engine_speed(DECLARED) == ASSUMED_SPEED  # nothing listens there


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is said on rows."""
    lines: list[str] = []
    monkeypatch.setattr(Row, "say", lambda _row, message: lines.append(message))
    monkeypatch.setattr("vision_customization.customization.resources.model._RETRAINED", set())
    return lines


def test_the_row_of_a_new_model_says_how_long_its_training_takes(said: list[str]) -> None:
    ModelProvider().check({}, DECLARED)
    assert said == ["trains: about 6 s of 1 h"]
    ModelProvider().check({**DECLARED, "model_name": "leaves-01234567"}, {**DECLARED, "training_digest": "b" * 64})
    assert len(said) == 1  # `diff` says it, beside the cause


def test_a_replacement_says_once_how_long_its_training_takes(said: list[str]) -> None:
    changed = {"training_digest": "b" * 64, "training_tags": {"hemlock": 15.0, "cherry": 10.0}}
    there = checked()
    said.clear()
    ModelProvider().diff("id", there, {**DECLARED, **changed})
    ModelProvider().check({}, {**DECLARED, **changed})  # as Pulumi does before it creates the replacement
    assert said == ["retrains because dataset 'leaves-train' changes (hemlock 10 → 15); about 3 s of 1 h"]


def test_check_knows_the_name_in_a_preview_unless_the_dataset_is_unknown() -> None:
    assert ModelProvider().check({}, DECLARED).inputs["model_name"] == physical_name(DECLARED)
    assert "model_name" not in ModelProvider().check({}, {**DECLARED, "training_digest": UNKNOWN}).inputs


def checked(**declared: object) -> dict[str, object]:
    return dict(ModelProvider().check({}, {**DECLARED, **declared}).inputs)


def test_nothing_changed_is_no_difference() -> None:
    assert not ModelProvider().diff("id", {**checked(), "status": "succeeded"}, checked()).changes


def test_a_state_without_tiles_is_that_of_one_tile() -> None:
    assert not ModelProvider().diff("id", checked(**BOXES), checked(**BOXES, tiles=1.0)).changes
    assert not ModelProvider().diff("id", checked(**BOXES, tiles=3.0), checked(**BOXES, tiles=3)).changes
    for olds in (checked(**BOXES), checked(**BOXES, tiles=1.0)):
        assert ModelProvider().diff("id", olds, checked(**BOXES, tiles=3.0)).replaces == ["model_name", "tiles"]


def test_a_service_that_is_started_again_is_no_difference() -> None:
    news = {**checked(), "endpoint": UNKNOWN, "key": UNKNOWN}
    assert not ModelProvider().diff("id", checked(), news).changes


def test_another_endpoint_changes_in_place() -> None:
    result = ModelProvider().diff("id", checked(), checked(endpoint="http://127.0.0.1:2"))
    assert result.changes
    assert result.replaces == []


def test_other_images_replace_the_model() -> None:
    result = ModelProvider().diff(
        "id", checked(), checked(training_digest="b" * 64, training_tags={"hemlock": 15.0, "cherry": 10.0})
    )
    assert result.replaces == ["model_name", "training_digest"]


@pytest.mark.parametrize(
    ("news", "said"),
    [
        ({"model_kind": "Generic-Detector"}, "the kind changes from Generic-Classifier to Generic-Detector; about "),
        ({"time_budget_in_hours": 2.0}, "the time budget changes from 1.0 to 2.0 hours; about 2 s of 2 h"),
        ({"time_budget_in_hours": 2.0, "tiles": 1.0}, "the time budget changes from 1.0 to 2.0 hours"),
        ({"tiles": 3.0}, "retrains: tiles changes from 1 to 3; about "),
        ({"tiles": UNKNOWN}, "retrains if tiles changes from 1"),
        (
            {"training_digest": "b", "training_tags": {"hemlock": 15.0, "cherry": 10.0}},
            "because dataset 'leaves-train' changes (hemlock 10 → 15); about 3 s of 1 h",
        ),
        ({"training_digest": "b", "training_tags": {"hemlock": 10.0, "cherry": 10.0}}, "dataset 'leaves-train' changes; about"),
        ({"training_digest": "b", "training_tags": None}, "dataset 'leaves-train' changes"),
        ({"training_digest": "b", "training_tags": UNKNOWN}, "dataset 'leaves-train' changes"),
    ],
)
def test_why_a_model_is_trained_again(news: dict[str, object], said: str) -> None:
    assert said in why_retrained(DECLARED, {**DECLARED, **news}, ASSUMED_SPEED)


CLASSIFIER, DETECTOR = ModelKind.GENERIC_CLASSIFIER, ModelKind.GENERIC_DETECTOR
SEVERAL = {**DECLARED, "annotation_kind": "imageMultiLabelClassification"}
BOXED = {**DECLARED, **BOXES, "training_tags": {"RBC": 1000.0}, "training_images": 100.0}


@pytest.mark.parametrize(
    ("olds", "news", "work"),
    [
        ({}, {**DECLARED, "training_tags": {"a": 900.0, "b": 100.0}}, Workload(CLASSIFIER, 1000, 2)),
        (
            {**DECLARED, "training_tags": {"a": 1000.0}},
            {**DECLARED, "training_tags": {"a": 1010.0}},
            Workload(CLASSIFIER, 1010, 1, kept=1000),
        ),
        (
            {**DECLARED, "training_tags": {"a": 10.0, "b": 10.0}},
            {**DECLARED, "training_tags": {"a": 5.0, "c": 10.0}},
            Workload(CLASSIFIER, 15, 2, kept=5),
        ),
        # an image may have several tags
        (
            {**SEVERAL, "training_tags": {"a": 900.0, "b": 900.0}, "training_images": 1000.0},
            {**SEVERAL, "training_tags": {"a": 910.0, "b": 910.0}, "training_images": 1010.0},
            Workload(CLASSIFIER, 1010, 2, kept=1000),
        ),
        # boxes count for nothing
        (BOXED, {**BOXED, "training_tags": {"RBC": 1200.0}, "training_images": 110.0}, Workload(DETECTOR, 110, 1, kept=100)),
        (BOXED, {**BOXED, "training_images": 90.0}, Workload(DETECTOR, 90, 1, kept=90)),
        # a detector's pictures depend on its tiles
        (BOXED, {**BOXED, "tiles": 2}, Workload(DETECTOR, 100, 1, tiles=2)),
        ({**BOXED, "tiles": 2}, {**BOXED, "tiles": 2}, Workload(DETECTOR, 100, 1, tiles=2, kept=100)),
        # a detector reads other things of an image than a classifier
        ({**DECLARED, "training_tags": {"RBC": 1000.0}}, BOXED, Workload(DETECTOR, 100, 1)),
    ],
)
def test_what_a_training_has_to_do(olds: dict[str, object], news: dict[str, object], work: Workload) -> None:
    assert workload(olds, news) == work


def test_the_estimate_counts_kept_images_less() -> None:
    thousand = {**DECLARED, "training_tags": {"a": 1000.0}}
    assert estimate({}, thousand, ASSUMED_SPEED) == "about 3 min of 1 h"
    assert estimate(thousand, {**DECLARED, "training_tags": {"a": 1010.0}}, ASSUMED_SPEED) == "about 9 s of 1 h"


def test_a_training_that_began_without_the_tiles_is_not_taken_over() -> None:
    parameters = {"trainingDatasetName": "leaves-train", "timeBudgetInHours": 1, "modelKind": "Generic-Detector"}
    stamps = {"createdDateTime": "2026-01-01T00:00:00Z", "updatedDateTime": "2026-01-01T00:00:00Z"}
    found = {"name": "leaves-01234567", "status": "training", "trainingParameters": parameters, **stamps}
    with fake_service() as service:
        service.handler = lambda _request: Answer(200, found)
        props = {**DECLARED, **BOXES, "endpoint": service.url, "model_name": "leaves-01234567", "tiles": 3.0}
        with pytest.raises(TilesIgnored, match="with tiles 1, not 3"):
            ModelProvider().create(props)
        assert {request.method for request in service.received} == {"GET"}


@pytest.mark.parametrize("tiles", [1, 3])
@pytest.mark.parametrize("tags", [1, 8, 80])
@pytest.mark.parametrize("images", [1, 28, 292, 10_000])
def test_the_steps_that_are_estimated_are_those_that_are_taken(images: int, tags: int, tiles: int) -> None:
    recipe = choose_recipe(images, tags, tiles)
    assert detector_steps(images * tiles**2, tags) == pytest.approx(recipe.steps + recipe.tail().steps, abs=2)


SUCCEEDED = {
    "name": "m",
    "createdDateTime": "2023-01-13T20:46:20.189Z",
    "updatedDateTime": "2023-01-13T20:46:20.189Z",
    "status": "succeeded",
    "trainingParameters": {"trainingDatasetName": "d", "timeBudgetInHours": 1, "modelKind": "Generic-Classifier"},
    "modelPerformance": {"accuracyTop1": 0.975, "tagPerformance": {}},
    "trainingProgress": {"stage": "done", "images": 25, "imagesRead": 5, "imagesEmbedded": 5, "seconds": 3.2},
}


@pytest.mark.parametrize(
    ("changes", "here"),
    [
        ({}, True),
        ({"trainingProgress": None}, False),
        ({"status": "notStarted", "trainingProgress": None}, True),  # nobody has begun it
        ({"status": "failed", "trainingProgress": None}, True),
    ],
)
def test_a_model_that_was_promoted_is_not_taken_for_a_training(changes: dict[str, object], here: bool) -> None:
    model = TrainedModel.model_validate({**SUCCEEDED, **changes})
    if here:
        check_trained_here(model)
    else:
        with pytest.raises(NameTaken, match="not trained here"):
            check_trained_here(model)


@pytest.mark.parametrize(("given", "sent"), [({}, None), ({"tiles": 1.0}, None), ({"tiles": 3.0}, 3)])
def test_tiles_are_ordered_where_there_are_more_than_one(given: dict[str, float], sent: int | None) -> None:
    ordered: list[dict[str, object]] = []

    def handle(request: Received) -> Answer:
        if request.method == "PUT":
            ordered.append(request.json["trainingParameters"])
        if request.path.endswith("/models"):
            return Answer(200, {"value": []})
        return Answer(200, {**SUCCEEDED, "trainingParameters": ordered[0]}) if ordered else Answer(404, {})

    with fake_service() as service:
        service.handler = handle
        declared = {**DECLARED, **BOXES, **given, "endpoint": service.url, "key": KEY}
        ModelProvider().create({**declared, "model_name": physical_name(declared)})
    assert [parameters.get("tiles") for parameters in ordered] == [sent]


def test_the_row_says_what_the_training_cost() -> None:
    model = TrainedModel.model_validate(SUCCEEDED)
    assert outcome_line(model) == "trained in 3 s on 25 images (5 read, 5 embedded); estimated accuracyTop1 0.975"


def test_the_row_says_what_the_estimate_rests_on_and_what_more_images_bring() -> None:
    outlook = {"images": 240, "accuracyTop1": 0.93, "interval": [0.88, 0.96]}
    estimate = {"images": 120, "groups": 80, "accuracyTop1": [0.84, 0.95], "outlook": outlook}
    performance = {"accuracyTop1": 0.91, "estimate": estimate, "tagPerformance": {}}
    said = outcome_line(TrainedModel.model_validate({**SUCCEEDED, "modelPerformance": performance}))
    assert said.endswith(
        "; estimated accuracyTop1 0.910 (0.84 to 0.95; 120 images in 80 groups); with 240 images: probably 0.930 (0.88 to 0.96)"
    )


def test_the_row_of_a_detector_says_its_steps() -> None:
    progress = {"stage": "done", "images": 120, "imagesRead": 120, "seconds": 240, "steps": 113, "stepsDone": 113}
    performance = {"meanAveragePrecision50": 0.5, "tagPerformance": {}}
    model = TrainedModel.model_validate({**SUCCEEDED, "trainingProgress": progress, "modelPerformance": performance})
    assert outcome_line(model) == "trained in 4 min on 120 images (120 read, 113 steps); estimated meanAveragePrecision50 0.500"


MANY_TAGS = {"training_tags": {"a": 50_000.0, "b": 10_000.0}}
"""More than an hour is enough for."""


@pytest.mark.parametrize(
    ("found", "is_taken_over"),
    [
        (SUCCEEDED, True),
        ({**SUCCEEDED, "managedBy": "studio:photos/dev"}, True),
        ({**SUCCEEDED, "status": "training"}, False),
        ({**SUCCEEDED, "status": "failed"}, False),
        ({**SUCCEEDED, "trainingProgress": None}, False),  # imported
        (None, False),
    ],
)
def test_a_model_that_the_studio_has_trained_is_taken_over_and_the_preview_says_so(
    said: list[str], service: FakeService, found: dict[str, object] | None, is_taken_over: bool
) -> None:
    def answer(request: Received) -> Answer:
        return Answer(404, {}) if found is None or "/models/" not in request.path else Answer(200, found)

    service.handler = answer
    declared = {**DECLARED, "endpoint": service.url, "key": KEY}
    check = ModelProvider().check({}, declared)
    ModelProvider().check({}, declared)
    ModelProvider().diff("id", {**DECLARED, "model_name": "leaves-01234567", "training_digest": "b" * 64}, check.inputs)
    assert said.count("trained already: taken over") == is_taken_over
    assert any(line.startswith("retrains") for line in said) is not is_taken_over
    assert (ModelProvider().check({}, {**declared, **MANY_TAGS}).failures == []) is is_taken_over


@pytest.mark.parametrize(
    ("name", "owner", "status", "ends"),
    [
        ("leaves-01234567", "pulumi:photos/dev", "training", True),
        ("leaves-01234567", "pulumi:photos/dev", "succeeded", False),
        ("leaves-01234567", None, "training", False),  # the Studio's, or that of somebody at the terminal
        ("leaves-01234567", "pulumi:photos/prod", "training", False),
        ("leaves-01234567", "studio", "notStarted", False),
        ("leaves-2-01234567", "pulumi:photos/dev", "training", False),
    ],
)
def test_only_trainings_of_this_stack_are_ended(
    said: list[str], service: FakeService, name: str, owner: str | None, status: str, ends: bool
) -> None:
    other = {**SUCCEEDED, "name": name, "status": status, **({} if owner is None else {"managedBy": owner})}
    deleted: list[str] = []
    trained: list[str] = []

    def answer(request: Received) -> Answer:
        path = request.path.removeprefix("/computervision/models")
        if request.method == "PUT":
            trained.append(path)
        if request.method == "DELETE":
            deleted.append(path)
        if path == f"/{name}:cancel":
            other["status"] = "cancelled"
        if path == "":
            return Answer(200, {"value": [other]})
        if path.startswith(f"/{name}"):
            return Answer(200, other)
        return Answer(200, SUCCEEDED) if trained else Answer(404, {})

    service.handler = answer
    declared = {**DECLARED, "endpoint": service.url, "key": KEY, "managed_by": "pulumi:photos/dev"}
    ModelProvider().create({**declared, "model_name": physical_name(declared)})
    assert deleted == [f"/{name}"] * ends
    assert any("cancelled the training" in line for line in said) is ends


def test_a_model_that_is_taken_over_gets_its_owner(said: list[str], service: FakeService) -> None:
    def answer(request: Received) -> Answer:
        if request.path.endswith("/owner"):
            return Answer(200, SUCCEEDED)
        if request.method == "PUT":
            return Answer(409, {"error": {"code": "ModelAlreadyExists", "message": "there"}})
        return Answer(200, {"value": []} if request.path.endswith("/models") else SUCCEEDED)

    service.handler = answer
    declared = {**DECLARED, "endpoint": service.url, "key": KEY, "managed_by": "pulumi:photos/dev"}
    ModelProvider().create({**declared, "model_name": physical_name(declared)})
    [owned] = [request for request in service.received if request.path.endswith("/owner")]
    assert owned.json == {"managedBy": "pulumi:photos/dev"}
    assert said[0] == "trained already: taken over"
