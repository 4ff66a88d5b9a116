"""The pages of models: their list, trainings as they run, what can be done with them, and published names."""

import shlex
from html import unescape
from urllib.parse import quote

import pytest

from tests.support.api_world import World
from tests.support.studio import Browser
from vision_customization.contract.enums import ModelKind
from vision_customization.contract.models import TrainingProgress
from vision_customization.contract.studio import Role
from vision_customization.contract.wire import ErrorDetails
from vision_customization.engine.store import TrainingOrder
from vision_customization.engine.store.tables import ContentIndexRow

STACK = "pulumi:photos/dev"


def test_models_are_listed_with_their_published_names(world: World, owner: Browser) -> None:
    world.register()
    world.train("trees-1")
    world.create("trees-2")
    world.store.published.publish("trees", "trees-1")
    page = owner.get("models").text
    listed = page.partition("All models")[2]
    assert listed.index("trees-2") < listed.index("trees-1")
    assert "Accuracy 0.500" in page
    assert 'href="/studio/published/trees"' in page


def test_without_models_the_list_says_what_to_do(world: World, owner: Browser) -> None:
    assert "No model yet" in owner.get("models").text
    reader = Browser(world).sign_in(Role.READER)
    assert "train one here" not in reader.get("models").text


def test_a_long_list_has_pages(world: World, owner: Browser) -> None:
    for number in range(53):
        world.create(f"m-{number:02}")
    first, second = owner.get("models").text, owner.get("models?skip=50").text
    assert "m-52" in first
    assert "m-02" not in first
    assert "models?skip=50" in first
    assert "m-02" in second
    assert "models?skip=0" in second


def test_a_training_that_runs(world: World, owner: Browser) -> None:
    world.create("first")
    world.create("second")
    record = world.store.models.find("second")
    assert "waits for a worker, 1 training before it" in owner.get("models/second").text
    assert 'progress?shown=notStarted"' in owner.get("models/second").text
    assert owner.get("models/second/progress?shown=notStarted").status_code == 200
    world.store.models.begin(record.id)
    assert owner.get("models/second/progress?shown=notStarted").headers["HX-Refresh"] == "true"
    assert owner.get("models/second/progress?shown=training").status_code == 200
    progress = TrainingProgress(stage="learning", share=0.42, images=30, steps=100, steps_done=42, loss=1.25, seconds=75)
    world.store.models.report_progress(record.id, progress)
    page = owner.get("models/second/progress", **{"hx-request": "true"})
    for shown in ("42 %", "learning", "42 of 100", "1.250", "1 min 15 s", "Cancel the training"):
        assert shown in page.text
    assert "<html" not in page.text
    world.succeed(record.id)
    ended = owner.get("models/second/progress", **{"hx-request": "true"})
    assert (ended.status_code, ended.headers["hx-refresh"]) == (204, "true")


def test_a_training_is_cancelled(world: World, owner: Browser) -> None:
    world.create("m")
    assert owner.post("models/m/cancel").headers["location"] == "/studio/models/m"
    assert "cancelled" in owner.get("models/m").text
    assert owner.post("models/m/cancel").status_code == 400


def test_a_failure_stays_at_home_until_it_is_dismissed(world: World, owner: Browser) -> None:
    world.create("m")
    record = world.store.models.find("m")
    world.store.models.begin(record.id)
    world.store.models.fail(record.id, ErrorDetails(code="datasetCorrupt", message="<b>The file</b> is not an image."))
    assert "&lt;b&gt;The file&lt;/b&gt; is not an image." in owner.get("").text
    assert "&lt;b&gt;The file&lt;/b&gt; is not an image." in owner.get("models/m").text
    assert owner.post("models/m/dismiss").headers["location"] == "/studio/"
    assert "is not an image" not in owner.get("").text
    assert "is not an image" in owner.get("models/m").text


def test_what_a_model_is_and_comes_from(world: World, owner: Browser) -> None:
    world.register()
    model_id = world.train("m")
    world.objects.put(
        f"models/{model_id}/model.json",
        b'{"dataset": {"name": "cats", "digest": "abcdef0123456789", "images": 1200}, "recipe": {"head": "lda"}}',
    )
    page = owner.get("models/m").text
    for shown in ("Classifier", "0.500", "cats: 1,200 images, content abcdef012345", "head lda", "ab" * 32, "Judge", "ONNX"):
        assert shown in page
    file = owner.get("models/m/model.onnx")
    assert file.content == b"onnx"
    assert file.headers["content-disposition"] == 'attachment; filename="m.onnx"'


def test_a_model_that_has_not_succeeded_has_no_file(world: World, owner: Browser) -> None:
    world.create("m")
    assert owner.get("models/m/model.onnx").status_code == 400
    assert owner.get("models/none").status_code == 404


def test_a_model_is_evaluated_on_another_dataset(world: World, owner: Browser) -> None:
    world.register("cats")
    world.register("dogs")
    world.train("m")
    for _ in range(2):
        assert owner.post("models/m/evaluate", {"dataset": "dogs"}).status_code == 303
    names = [each.name for each in world.store.evaluations.page("m", 0, 10)]
    assert names == ["dogs-1", "dogs-2"]
    assert len(world.jobs.evaluations) == 2
    assert owner.post("models/m/evaluate", {"dataset": "none"}).status_code == 404
    assert "hx-get" in owner.get("models/m/evaluations").text  # polls while one runs


def test_a_name_is_published_held_by_its_gate_and_rolled_back(world: World, owner: Browser) -> None:
    world.register()
    world.train("m-1")
    world.train("m-2")
    gate = {"new": "trees", "metric": "accuracyTop1", "least": "0,4"}
    assert owner.post("models/m-1/publish", gate).headers["location"] == "/studio/published/trees"
    assert owner.post("models/m-2/publish", {"published": "trees"}).status_code == 303
    page = owner.get("published/trees").text
    for shown in ("answered by", "m-2", "Roll back to m-1", "accuracyTop1", "0.4", "published with a key"):
        assert shown in page
    refused = owner.post("models/m-1/publish", {"published": "trees", "metric": "accuracyTop1", "least": "0.9"})
    assert refused.status_code == 400
    assert "below the required 0.9" in refused.text
    assert world.store.published.find("trees").model_name == "m-2"
    assert owner.post("published/trees/roll-back").status_code == 303
    assert world.store.published.find("trees").model_name == "m-1"
    assert owner.post("models/m-1/delete").status_code == 400  # it answers
    assert owner.post("published/trees/unpublish").status_code == 303
    assert owner.post("models/m-1/delete").headers["location"] == "/studio/models"
    assert owner.get("models/m-1").status_code == 404


@pytest.mark.parametrize(
    ("form", "fault"),
    [
        ({"new": ""}, "is not a valid name"),
        ({"new": "a b"}, "is not a valid name"),
        ({"new": "trees", "metric": "accuracyTop1", "least": "much"}, "a number between 0 and 1"),
        ({"new": "trees", "metric": "accuracyTop1", "least": "7"}, "metrics are between 0 and 1"),
        ({"new": "trees", "metric": "meanAveragePrecision50", "least": "0.5"}, "is not a metric of a Generic-Classifier"),
        ({"new": "trees", "evaluation": "none"}, "none"),
        ({"new": "m"}, "is already taken by a model"),
    ],
)
def test_a_publication_that_cannot_be(world: World, owner: Browser, form: dict[str, str], fault: str) -> None:
    world.register()
    world.train("m")
    refused = owner.post("models/m/publish", form)
    assert refused.status_code in (400, 404, 409)
    assert fault in refused.text
    assert world.store.published.page(0, 10) == []


def test_what_a_stack_declares_is_not_changed_here(world: World, owner: Browser) -> None:
    world.register()
    order = TrainingOrder(training_dataset_name="cats", time_budget_in_hours=1, model_kind=ModelKind.GENERIC_CLASSIFIER)
    record = world.store.models.create("declared", order, managed_by=STACK)
    assert "Cancel the training" not in owner.get("models/declared").text
    assert owner.post("models/declared/cancel").status_code == 400
    world.succeed(record.id)
    world.store.published.publish("trees", "declared", managed_by=STACK)
    world.train("mine")
    page = owner.get("models/declared").text
    assert "The Pulumi stack <code>photos/dev</code> declares this model" in page
    assert "Delete this model" not in page
    for path, form in (
        ("models/declared/delete", {}),
        ("models/mine/publish", {"published": "trees"}),
        ("published/trees/roll-back", {}),
        ("published/trees/unpublish", {}),
    ):
        refused = owner.post(path, form)
        assert refused.status_code == 400
        assert "Change the stack&#39;s file instead" in refused.text
    assert "declares this name" in owner.get("published/trees").text


def test_a_training_is_started(world: World, owner: Browser) -> None:
    world.register("cats")
    world.register("boxes", annotationKind="imageObjectDetection")
    page = owner.get("train?dataset=boxes").text
    assert "Object detector" in page
    assert "Classifier" not in page.partition('id="kind"')[2].partition("</select>")[0]
    form = {"dataset": "cats", "name": "m", "hours": "2", "kind": "", "test": ""}
    assert owner.post("train", form).headers["location"] == "/studio/models/m"
    record = world.store.models.find("m")
    assert (record.time_budget_in_hours, record.model_kind) == (2, ModelKind.GENERIC_CLASSIFIER)
    assert world.jobs.trainings == [record.id]


def test_the_form_says_what_the_training_will_take(world: World, owner: Browser) -> None:
    world.register("cats")
    assert "A worker counts" in owner.get("train/estimate?dataset=cats&hours=1").text
    index = world.store.content.look("cats")[0]
    with world.store.database.writing() as session:
        row = session.query(ContentIndexRow).filter_by(sequence=index.index).one()
        row.status, row.images, row.tags = "ready", 300, 3
    told = owner.get("train/estimate?dataset=cats&hours=1").text
    assert "Will probably take about 62 s of 1 h." in told
    row_of_many = owner.get("train/estimate?dataset=cats&hours=0").text
    assert "Choose a dataset" in row_of_many


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"dataset": ""}, "Choose a dataset"),
        ({"name": ""}, "Give the model a name"),
        ({"name": "a b"}, "is not a valid name"),
        ({"hours": "0"}, "at least 1"),
        ({"hours": "1.5"}, "at least 1"),
        ({"hours": "5000"}, "must be 1 to 336 hours"),
        ({"test": "cats"}, "another dataset to judge it on"),
        ({"name": "taken"}, "is already taken by a model"),
    ],
)
def test_a_form_that_cannot_be_keeps_what_was_filled_in(
    world: World, owner: Browser, changes: dict[str, str], fault: str
) -> None:
    world.register("cats")
    world.create("taken")
    form = {"dataset": "cats", "name": "m", "hours": "1", "kind": "", "test": "", **changes}
    refused = owner.post("train", form)
    assert refused.status_code == 400
    assert fault in refused.text
    assert f'name="name" value="{form["name"]}"' in refused.text
    assert [record.name for record in world.store.models.page(0, 10)] == ["taken"]


def test_changes_are_in_the_audit(world: World, owner: Browser, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "engine.audit")
    world.register()
    world.train("m")
    owner.post("models/m/publish", {"new": "trees"})
    [record] = [record for record in caplog.records if record.getMessage() == "model published"]
    assert (record.__dict__["who"], record.__dict__["role"], record.__dict__["model"]) == ("a key", "owner", "m")


def test_code_quotes_what_is_typed_into_the_form(owner: Browser) -> None:
    typed = "$(touch hacked) <b>'\"`"
    page = unescape(owner.get(f"train?name={quote(typed)}&dataset={quote(typed)}").text)
    assert f"--dataset {shlex.quote(typed)}" in page
    assert f"vision models train {shlex.quote(typed)}" in page
    assert "models/%24%28touch%20hacked%29" in page
