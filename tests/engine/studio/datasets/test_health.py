"""A dataset's health: the checker's report, likely wrong labels, likenesses, and what people accept."""

import re
from collections.abc import Mapping
from html import unescape
from typing import Any

import pytest

from tests.engine.studio.datasets.test_image import NAMES, TAGS, estimate
from tests.support.api_world import World
from tests.support.coco_content import coco, read, register
from tests.support.studio import Browser
from vision_customization.contract.enums import AnnotationKind
from vision_customization.contract.studio import Role
from vision_customization.contract.wire import ErrorDetails
from vision_customization.engine.inspection import report
from vision_customization.engine.inspection.report import Judge, inspect
from vision_customization.engine.jobs.kinds import inspection
from vision_customization.engine.jobs.kinds.inspection import inputs_of

SCRIPT = {"hx-request": "true"}


def findings(text: str, section: str = "") -> list[str]:
    """The list items of a section, or of the whole page."""
    if section:
        text = text.partition(f'<section id="{section}">')[2].partition("</section>")[0]
    found = text.partition('<ul class="findings">')[2].partition("</ul>")[0]
    return [unescape(item) for item in re.findall(r"<li.*?</li>", found, re.DOTALL)]


def form_of(item: str) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', item))


@pytest.fixture
def pets(world: World) -> World:
    register(world.store, "pets", coco({name: [TAGS[number % 2]] for number, name in enumerate(NAMES)}))
    read(world.store, *NAMES)
    return world


def compared(world: World, dataset: str, digests: list[str | None], judges: list[Judge] | None = None) -> None:
    """The inspection of a dataset as a worker would leave it."""
    inputs = inputs_of(world.store, dataset)
    assert inputs is not None
    record, _ = world.store.inspections.ask(dataset, inputs)
    report = inspect(digests, [(640, 480)] * len(digests), judges or [], lambda _: {})
    world.store.inspections.finish(record.id, report.model_dump_json())


def test_each_problem_leads_to_its_image(owner: Browser, world: World) -> None:
    document = coco({"1.jpg": ["cat"], "2.jpg": ["cat"], "3.jpg": []}, tags=["dog", "Dog"])
    document["images"][1]["width"] = 3
    document["annotations"].append({"id": 3, "image_id": 99, "category_id": 1})
    register(world.store, "pets", document)
    text = owner.get("datasets/pets/health/checker").text
    items = findings(text)
    [size] = [item for item in items if "width" in item]
    assert 'href="/studio/datasets/pets/images/1"' in size
    assert ">error<" in size
    assert "<form" not in size, "an error that trainings refuse cannot be accepted"
    [unknown] = [item for item in items if "image_id 99" in item]
    assert "<a " not in unknown
    [similar] = [item for item in items if "differ only by letter case" in item]
    assert ">warning<" in similar
    assert "Not an error" in similar
    assert re.search(r"The checker found \d+ errors, which a training refuses, and \d+ warnings", unescape(text))
    assert 'Health <span class="count"' in owner.get("datasets/pets").text


def test_a_dataset_without_a_problem(owner: Browser, pets: World) -> None:
    text = owner.get("datasets/pets/health").text
    assert "The checker found nothing" in text
    assert "Train a Generic-Classifier from this dataset to find them" in text
    assert "No model has been trained from this dataset" in text


def test_likely_wrong_labels_show_their_pictures(owner: Browser, pets: World) -> None:
    estimate(pets)
    text = owner.get("datasets/pets/health").text
    [item] = findings(text, "labels")
    assert "labelled “cat”, likely “dog”" in item
    assert "/studio/datasets/pets/images/0/thumbnail" in item
    assert "1 image of 6, the worst first" in text
    assert "vision datasets label-issues pets" in owner.get("datasets/pets/health/labels").text


def test_a_finding_that_was_accepted_is_hidden_until_somebody_asks(owner: Browser, pets: World) -> None:
    estimate(pets)
    [item] = findings(owner.get("datasets/pets/health/labels").text)
    form = form_of(item)
    answer = owner.post("datasets/pets/findings", form, **SCRIPT)
    assert answer.status_code == 200
    assert "Accepted" in answer.text
    assert form_of(answer.text) == {**form, "accepted": "no"}
    text = owner.get("datasets/pets/health/labels").text
    assert findings(text) == []
    assert "1 finding that people accepted is not shown" in text
    [shown] = findings(owner.get("datasets/pets/health/labels?accepted=yes").text)
    assert "Count it again" in shown
    assert owner.post("datasets/pets/findings", form_of(shown)).headers["location"] == "/studio/datasets/pets/health/labels"
    assert len(findings(owner.get("datasets/pets/health/labels").text)) == 1


def test_a_new_label_of_an_accepted_image_counts_again(owner: Browser, pets: World) -> None:
    estimate(pets)
    [item] = findings(owner.get("datasets/pets/health/labels").text)
    first = form_of(item)["key"]
    pets.store.accepted_findings.accept("pets", "labels", first, "ann")
    estimate(pets, "n")  # the same label again: still accepted
    assert findings(owner.get("datasets/pets/health/labels").text) == []


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({}, "Finding: must be one of"),
        ({"finding": "other", "key": "a" * 64}, "Finding: must be one of"),
        ({"finding": "labels", "key": "../" * 20}, "Key: must be 64 hex digits"),
        ({"finding": "labels", "key": "A" * 64}, "Key: must be 64 hex digits"),
    ],
)
def test_only_findings_can_be_accepted(owner: Browser, pets: World, form: Mapping[str, str], said: str) -> None:
    answer = owner.post("datasets/pets/findings", dict(form))
    assert answer.status_code == 400
    assert said in answer.text


def test_readers_look_and_labelers_accept(browser: Browser, pets: World) -> None:
    estimate(pets)
    reader = browser.sign_in(Role.READER)
    [item] = findings(reader.get("datasets/pets/health/labels").text)
    assert "<form" not in item
    form = {"finding": "labels", "key": "a" * 64}
    assert reader.post("datasets/pets/findings", form).status_code == 403
    assert pets.store.accepted_findings.keys("pets", "labels") == frozenset()
    assert Browser(pets).sign_in(Role.LABELER).post("datasets/pets/findings", form).status_code == 303
    assert pets.store.accepted_findings.keys("pets", "labels") == {"a" * 64}


def test_pictures_are_compared_by_a_worker_while_the_page_waits(owner: Browser, pets: World) -> None:
    text = owner.get("datasets/pets/health").text
    assert "A worker is comparing the pictures of this dataset" in text
    [inspection] = pets.jobs.inspections
    assert "A worker is comparing" in owner.get("datasets/pets/health/pictures", **SCRIPT).text
    assert owner.get("datasets/pets/health/near").status_code == 303, "a list that is not there yet"
    pets.store.inspections.fail(inspection, ErrorDetails(code="unknown", message="The worker died."))
    assert "The worker died." in owner.get("datasets/pets/health").text
    assert pets.jobs.inspections == [inspection]
    assert owner.post("datasets/pets/health/compare").status_code == 303
    assert len(pets.jobs.inspections) == 2


def test_what_the_comparison_found(owner: Browser, world: World) -> None:
    register(world.store, "train", coco({name: [TAGS[number % 2]] for number, name in enumerate(NAMES)}))
    register(world.store, "test", coco({"t.jpg": ["cat"], "5.jpg": ["dog"]}))
    world.create(
        "m",
        trainingDatasetName="train",
    )
    order: dict[str, Any] = {"trainingDatasetName": "train", "timeBudgetInHours": 1, "modelKind": "Generic-Classifier"}
    body = {"trainingParameters": order, "evaluationParameters": {"testDatasetName": "test"}}
    assert world.call("PUT", "models/tested", json=body).status_code == 201
    compared(world, "train", ["a", "b", "a", "a", None, "x"], [Judge("test", "model 'tested' learns from it", ["y", "x"])])
    text = unescape(owner.get("datasets/train/health").text)
    [copies] = findings(text, "copies")
    assert "0.jpg, 2.jpg, 3.jpg" in copies
    assert "Their labels differ: “cat” and “dog”." in copies
    [shared] = findings(text, "sides")
    assert "5.jpg is the same picture as 5.jpg of test" in shared
    assert "Model 'tested' learns from it." in shared
    assert "/studio/datasets/test/images/1/thumbnail" in shared
    assert "<form" not in shared, "the same picture on both sides is an error"
    assert "1 picture is the same as in “test”. A model that has learned" in text
    assert "1 image was not compared, because the engine has not read it yet" in text
    assert "All images are 640 × 480 px." in text


def test_the_comparison_waits_for_the_other_side_which_a_worker_reads(owner: Browser, world: World) -> None:
    register(world.store, "train", coco({"1.jpg": ["cat"], "2.jpg": ["dog"]}))
    world.register("test")
    order: dict[str, Any] = {"trainingDatasetName": "train", "timeBudgetInHours": 1, "modelKind": "Generic-Classifier"}
    for model, test in (("tested", "test"), ("failed", "not-registered")):
        body = {"trainingParameters": order, "evaluationParameters": {"testDatasetName": test}}
        assert world.call("PUT", f"models/{model}", json=body).status_code == 201
    assert "A worker is comparing the pictures" in owner.get("datasets/train/health").text
    assert (len(world.jobs.indexes), world.jobs.inspections) == (1, [])
    world.store.content.fail(world.jobs.indexes[0], ErrorDetails(code="unknown", message="The blob is gone."))
    assert "A worker is comparing the pictures" in owner.get("datasets/train/health").text
    assert len(world.jobs.inspections) == 1, "what can't be read is not waited for"


def test_a_model_that_was_trained_since_makes_the_comparison_new(owner: Browser, pets: World) -> None:
    compared(pets, "pets", ["a", None])
    assert "1 image was not compared" in owner.get("datasets/pets/health").text
    assert pets.jobs.inspections == []
    estimate(pets)
    assert "A worker is comparing" in owner.get("datasets/pets/health").text
    assert len(pets.jobs.inspections) == 1


def test_a_new_version_of_inspections_makes_the_comparison_new(
    owner: Browser, pets: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared(pets, "pets", ["a", None])
    for module in (inspection, report):
        monkeypatch.setattr(module, "VERSION", report.VERSION + 1)
    assert "A worker is comparing" in owner.get("datasets/pets/health").text
    assert len(pets.jobs.inspections) == 1, "a report that cannot be read is made again"


def test_a_newer_version_of_the_engine_keeps_its_comparison(owner: Browser, pets: World) -> None:
    """Two engines on one database while they are updated: the older one neither shows nor replaces what it can't read."""
    inputs = inputs_of(pets.store, "pets")
    assert inputs is not None
    newer, _ = pets.store.inspections.ask("pets", {**inputs, "version": report.VERSION + 1})
    pets.store.inspections.begin(newer.id)
    pets.store.inspections.finish(newer.id, '{"version": 99, "of_another": ["layout"]}')
    for _ in range(2):
        page = owner.get("datasets/pets/health")
        assert page.status_code == 200
        assert "A newer version of the engine has compared them." in page.text
        owner.post("datasets/pets/health/compare", **SCRIPT)
    assert pets.jobs.inspections == []
    assert pets.store.inspections.by_id(newer.id).report is not None


def test_a_list_of_many_findings_has_pages(owner: Browser, world: World) -> None:
    document = coco({f"{number}.jpg": ["cat"] for number in range(120)})
    for image in document["images"]:
        image["width"] = 1
    register(world.store, "pets", document)
    text = owner.get("datasets/pets/health").text
    assert len(findings(text, "checker")) == 5
    assert "All 12" in text
    first = owner.get("datasets/pets/health/checker").text
    assert len(findings(first)) == 50
    assert 'rel="next" href="/studio/datasets/pets/health/checker?start=50"' in first
    last = owner.get("datasets/pets/health/checker?start=100").text
    assert 0 < len(findings(last)) < 50
    assert 'rel="next"' not in last


def test_there_is_no_other_section(owner: Browser, pets: World) -> None:
    assert owner.get("datasets/pets/health/other").status_code == 404


def test_detection_points_to_the_mistakes_of_models(owner: Browser, world: World) -> None:
    register(world.store, "shelf", coco({"1.jpg": [("cup", [0, 0, 1, 1])]}), AnnotationKind.IMAGE_OBJECT_DETECTION)
    assert "look at the worst mistakes of a model" in owner.get("datasets/shelf/health").text
