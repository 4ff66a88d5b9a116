"""The pages of models: their list, trainings as they run, what can be done with them, and published names."""

import shlex
from html import unescape
from urllib.parse import quote

import pytest

from tests.support.api_world import World
from tests.support.studio import Browser
from vision_customization.contract.enums import ModelKind
from vision_customization.contract.models import ModelPerformance, TrainingProgress
from vision_customization.contract.studio import Role
from vision_customization.contract.wire import ErrorDetails
from vision_customization.engine.store import TrainingOrder
from vision_customization.engine.store.content_tables import ContentIndexRow
from vision_customization.engine.studio.pages.models import CHOICES, EVALUATIONS_SHOWN

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
        ({"new": ""}, "Choose a name, or give a new one."),
        ({"new": "a b"}, "'a b' is not a valid name"),
        ({"new": "trees"}, "The name 'trees' is new, so it has no gate yet. Choose a metric, or 'no gate'."),
        ({"new": "trees", "least": "0.9"}, "The threshold 0.9 has no metric."),
        ({"new": "trees", "metric": "none", "least": "0.9"}, "A name without a gate has no threshold."),
        ({"new": "trees", "metric": "accuracyTop1"}, "The gate has no threshold for accuracyTop1."),
        ({"new": "trees", "metric": "accuracy", "least": "0.9"}, "'accuracy' is not a metric."),
        ({"new": "trees", "metric": "accuracyTop1", "least": "much"}, "The threshold is a number from 0 to 1, not 'much'."),
        ({"new": "trees", "metric": "accuracyTop1", "least": "7"}, "The threshold is a number from 0 to 1, not '7'."),
        (
            {"new": "trees", "metric": "meanAveragePrecision50", "least": "0.5"},
            "'meanAveragePrecision50' is not a metric of a Generic-Classifier",
        ),
        (
            {"new": "trees", "metric": "accuracyTop1", "least": "0.9"},
            (
                "The model 'm' does not pass the gate of 'trees' by its own estimate: accuracyTop1 is 0.5000, below the "
                "required 0.9. Nothing was published. Choose a model that passes, or publish with another gate."
            ),
        ),
        ({"new": "trees", "metric": "none", "evaluation": "none"}, "There is no evaluation 'none'."),
        ({"new": "m", "metric": "none"}, "The name 'm' is already taken by a model."),
        ({"published": "live", "new": "trees"}, "You chose the name 'live' and also gave a new one."),
        ({"published": "live", "least": "0.9"}, "The threshold 0.9 has no metric."),
        ({"published": "live", "metric": "accuracyTop1", "least": ""}, "The gate has no threshold for accuracyTop1."),
    ],
)
def test_a_publication_that_cannot_be_keeps_what_was_filled_in(
    world: World, owner: Browser, form: dict[str, str], fault: str
) -> None:
    world.register()
    world.train("m")
    world.train("before")
    world.store.published.publish("live", "before", require={"accuracyTop1": 0.3})
    before = world.store.published.find("live")
    refused = owner.post("models/m/publish", form)
    assert refused.status_code in (400, 404, 409)
    page = unescape(refused.text)
    assert f'role="alert">{fault}' in page.partition('<section id="publish">')[2]
    assert f'name="new" value="{form.get("new", "")}"' in page
    assert f'name="least" value="{form.get("least", "")}"' in page
    for chosen in {form.get("published"), form.get("metric")} - {None, "", "meanAveragePrecision50", "accuracy"}:
        assert f'<option value="{chosen}" selected>' in page
    assert world.store.published.page(0, 10) == [before]


@pytest.mark.parametrize(
    ("form", "require"),
    [
        ({"published": "live"}, {"accuracyTop1": 0.3, "calibrationECE": 0.2}),
        ({"new": "live"}, {"accuracyTop1": 0.3, "calibrationECE": 0.2}),  # an existing name, typed
        ({"published": "live", "metric": "none"}, {}),
        ({"published": "live", "metric": "accuracyTop1", "least": "0,4"}, {"accuracyTop1": 0.4}),
        ({"new": "trees", "metric": "none"}, {}),
        ({"new": "trees", "metric": "calibrationECE", "least": ".1"}, {"calibrationECE": 0.1}),
    ],
)
def test_the_gate_of_a_name_is_the_one_that_the_form_asks_for(
    world: World, owner: Browser, form: dict[str, str], require: dict[str, float]
) -> None:
    world.create("m")
    world.succeed(world.store.models.find("m").id, ModelPerformance(accuracy_top1=0.5, calibration_ece=0.05))
    world.store.published.publish("live", "m", require={"accuracyTop1": 0.3, "calibrationECE": 0.2})
    page = owner.get("models/m").text
    for shown in (
        "accuracyTop1, at least",
        "calibrationECE, at most",
        "live: accuracyTop1 at least 0.3, calibrationECE at most 0.2",
    ):
        assert shown in page
    assert owner.post("models/m/publish", form).status_code == 303
    assert world.store.published.find(form.get("published") or form["new"]).require == require


def test_a_name_is_rolled_back_by_what_its_gate_judged(world: World, owner: Browser) -> None:
    world.register("cats-test")
    gate = {"metric": "accuracyTop1", "least": "0.9", "evaluation": "e"}
    for name in ("m-1", "m-2"):
        world.train(name)  # 0.5 by its own estimate
        evaluation = world.store.evaluations.create(name, "e", test_dataset_name="cats-test")
        world.store.evaluations.finish(evaluation.id, ModelPerformance(accuracy_top1=0.95))
        assert owner.post(f"models/{name}/publish", {"new": "trees", **gate}).status_code == 303
    page = unescape(owner.get("published/trees").text)
    assert page.count("judged in evaluation e") == 2
    assert "evaluationDataset: cats-test\n      require:\n        accuracyTop1: 0.9\n      publish: true" in page
    assert "vision models publish trees m-2 --evaluation e" in page
    assert owner.post("published/trees/roll-back").status_code == 303
    assert world.store.published.find("trees").model_name == "m-1"
    world.store.evaluations.delete("m-2", "e")
    refused = owner.post("published/trees/roll-back")
    assert (refused.status_code, "by its own estimate: accuracyTop1 is 0.5000" in refused.text) == (400, True)
    assert "What it answered with" in refused.text, "the page of the name says it"
    assert world.store.published.find("trees").model_name == "m-1"


def test_a_model_that_answers_is_not_deleted_however_many_names_there_are(world: World, owner: Browser) -> None:
    world.train("other")
    world.train("m")
    for number in range(CHOICES + 1):
        world.store.published.publish(f"n-{number:03}", "other")
    world.store.published.publish("last", "m")
    assert '<a href="/studio/published/last">last</a>' in owner.get("models/m").text
    listed = owner.get("models").text
    row = listed.partition("All models")[2].partition('href="/studio/models/m"')[2].partition("</tr>")[0]
    assert "last" in row
    assert "/studio/models?names=50" in listed
    assert 'href="/studio/published/last"' in owner.get("models?names=200").text
    refused = owner.post("models/m/delete")
    assert refused.status_code == 400
    assert "The model 'm' answers as 'last'. Publish another model there first" in unescape(refused.text)
    assert "Delete this model" in refused.text
    assert world.store.models.find("m").name == "m"


def test_the_newest_evaluations_are_shown(world: World, owner: Browser) -> None:
    world.train("m")
    for number in range(EVALUATIONS_SHOWN + 1):
        world.store.evaluations.create("m", f"e-{number:02}", test_dataset_name="dogs")
    for page in (owner.get("models/m").text, owner.get("models/m/evaluations").text):
        assert (f"e-{EVALUATIONS_SHOWN}" in page, "e-00" in page) == (True, False)


def test_a_model_is_not_evaluated_on_what_it_has_learned_or_cannot_judge(world: World, owner: Browser) -> None:
    for name, kind in (("dogs", "imageClassification"), ("boxes", "imageObjectDetection"), ("cats", "imageClassification")):
        world.register(name, annotationKind=kind)
    world.train("m")
    offered = owner.get("models/m").text.partition('id="evaluate-on"')[2].partition("</select>")[0]
    assert "<option>dogs</option>" in offered
    assert "cats" not in offered
    assert "boxes" not in offered
    for dataset, fault in (("cats", "images that it was trained from"), ("boxes", "does not fit a Generic-Classifier")):
        refused = owner.post("models/m/evaluate", {"dataset": dataset})
        assert (refused.status_code, fault in refused.text) == (400, True)
        assert "Publish it" in refused.text, "the page of the model says it"
    assert world.store.evaluations.page("m", 0, 10) == []


def test_an_evaluation_on_training_images_says_so(world: World, owner: Browser) -> None:
    world.train("m")
    for name, dataset in (("seen", "cats"), ("unseen", "dogs")):
        evaluation = world.store.evaluations.create("m", name, test_dataset_name=dataset)
        world.store.evaluations.finish(evaluation.id, ModelPerformance(accuracy_top1=1.0))
    page = owner.get("models/m").text
    rows = page.partition("<h2>Evaluations")[2].partition("</table>")[0].split("<tr>")
    assert [("its own training images" in row) for row in rows if "cats" in row or "dogs" in row] == [False, True]
    assert "seen: Accuracy 1.000, on its own training images" in page
    assert page.count("on its own training images") == 1
    assert "on cats, its own training images" in owner.get("models/m/judge?evaluation=unseen").text


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
        assert "The Pulumi stack <code>photos/dev</code> declares the" in refused.text
        assert "Change the stack&#39;s file instead" in refused.text
    yaml = unescape(owner.get("published/trees").text)
    assert "# The Pulumi stack photos/dev declares this in a text of its own. Change that text." in yaml
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
    owner.post("models/m/publish", {"new": "trees", "metric": "none"})
    [record] = [record for record in caplog.records if record.getMessage() == "model published"]
    assert (record.__dict__["who"], record.__dict__["role"], record.__dict__["model"]) == ("a key", "owner", "m")


def test_code_quotes_what_is_typed_into_the_form(owner: Browser) -> None:
    typed = "$(touch hacked) <b>'\"`"
    page = unescape(owner.get(f"train?name={quote(typed)}&dataset={quote(typed)}").text)
    assert f"--dataset {shlex.quote(typed)}" in page
    assert f"vision models train {shlex.quote(typed)}" in page
    assert "models/%24%28touch%20hacked%29" in page
