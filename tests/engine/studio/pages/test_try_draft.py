"""Add to a draft on Try it out: where a picture can go, and what the label page makes of it."""

import hashlib
import re
from typing import Any

import pytest

from tests.support.api_world import World, build, image_bytes
from tests.support.coco_content import coco, index
from tests.support.studio import Browser
from vision_customization.contract.enums import AnnotationKind, ModelKind
from vision_customization.contract.models import TrainingProgress
from vision_customization.contract.studio import Role
from vision_customization.engine.store import TrainingOrder
from vision_customization.engine.studio import create_studio
from vision_customization.engine.studio.pages import try_draft

ONE, SEVERAL, BOXED = (
    AnnotationKind.IMAGE_CLASSIFICATION,
    AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION,
    AnnotationKind.IMAGE_OBJECT_DETECTION,
)
SCRIPT = {"accept": "application/json"}
PICTURE = image_bytes()


@pytest.fixture
def labeler(world: World) -> Browser:
    world.register()
    world.train("m")
    world.store.published.publish("textile", "m")
    world.train_detector("d", ModelKind.GENERIC_DETECTOR)
    for name, kind in (("one", ONE), ("several", SEVERAL), ("boxes", BOXED)):
        world.store.drafts.create(name, kind, f"{name}-set", world.container.url, "ada")
    world.store.drafts.create("elsewhere", ONE, "elsewhere", "https://other.blob.core.windows.net/c", "ada")
    return Browser(world).sign_in(Role.LABELER)


def choice(browser: Browser, model: str) -> Any:  # noqa: ANN401 - JSON
    answer = browser.get(f"try/drafts?model={model}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def names(browser: Browser, model: str) -> list[str]:
    return [draft["name"] for draft in choice(browser, model)["drafts"]]


def test_only_drafts_of_a_fitting_kind_in_the_engines_container_are_offered(labeler: Browser) -> None:
    assert names(labeler, "m") == ["several", "one"]
    assert names(labeler, "d") == ["boxes"]
    assert choice(labeler, "m")["drafts"][1] == {"name": "one", "dataset": "one-set", "images": 0}


def test_a_published_name_stands_for_its_model(labeler: Browser) -> None:
    assert choice(labeler, "textile") == choice(labeler, "m")
    assert choice(labeler, "textile")["model"] == "m"


def test_many_drafts_of_another_kind_hide_none(labeler: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(try_draft, "DRAFTS_MAX", 1)
    assert names(labeler, "d") == ["boxes"]
    assert names(labeler, "m") == ["several"]


@pytest.mark.parametrize(("kind", "base"), [(ONE, "cats"), (SEVERAL, "cats"), (BOXED, None), (None, None)])
def test_a_new_draft_is_of_the_models_dataset_if_that_still_fits(
    labeler: Browser, kind: AnnotationKind | None, base: str | None
) -> None:
    if kind is None:
        labeler.world.call("DELETE", "datasets/cats")
    else:
        labeler.world.store.datasets.update("cats", annotation_kind=kind)
    asked = choice(labeler, "m")
    assert (asked["base"], asked["kind"]) == (base, (kind if base and kind else ONE).value)


@pytest.mark.parametrize(
    ("model", "status", "says"),
    [("", 400, "`model` is missing"), ("none", 404, "there is no model"), ("a%00b", 404, "there is no model")],
)
def test_an_unknown_model_has_no_drafts(labeler: Browser, model: str, status: int, says: str) -> None:
    answer = labeler.get(f"try/drafts?model={model}", **SCRIPT)
    assert answer.status_code == status
    assert says in answer.json()["error"]["message"]


def test_without_the_right_to_write_it_says_so(labeler: Browser) -> None:
    world = build(labeler.world.settings, labeler.world.store, studio=create_studio, studio_container=None)
    asked = choice(Browser(world).sign_in(Role.LABELER), "m")
    assert asked["drafts"] == []
    assert "Set VISION_ENGINE_STUDIO_CONTAINER to a blob container" in asked["closed"]
    assert choice(labeler, "m")["closed"] == ""


@pytest.mark.parametrize(("role", "offered"), [(Role.READER, False), (Role.LABELER, True), (Role.OWNER, True)])
def test_only_who_may_add_gets_the_script(labeler: Browser, role: Role, offered: bool) -> None:
    page = Browser(labeler.world).sign_in(role).get("try").text
    assert ("try_draft.js" in page) is offered
    assert ('data-part="draft"' in page) is offered
    assert ('data-part="adding"' in page) is offered
    assert ("A picture that you add to a draft is stored there." in page) is offered


def test_a_script_begins_a_draft(labeler: Browser) -> None:
    answer = labeler.post("drafts", {"name": "fresh", "kind": ONE.value}, **SCRIPT)
    assert (answer.status_code, answer.json()) == (201, {"name": "fresh"})
    again = labeler.post("drafts", {"name": "fresh", "kind": ONE.value}, **SCRIPT)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "DraftAlreadyExists")
    unread = labeler.post("drafts", {"base": "cats"}, **SCRIPT)
    assert (unread.status_code, unread.json()["error"]["message"]) == (
        400,
        "The content of the dataset 'cats' is not read yet. Try again in a moment.",
    )
    [waiting] = labeler.world.jobs.indexes
    assert waiting, "a worker reads it"


def test_a_script_is_told_where_the_images_of_a_dataset_must_be(labeler: Browser) -> None:
    labeler.world.register("away")
    index(labeler.world.store, "away", coco({"1.jpg": ["cat"]}))
    answer = labeler.post("drafts", {"base": "away"}, **SCRIPT)
    assert answer.status_code == 400
    assert "Copy it there first" in answer.json()["error"]["message"]


def test_a_tried_picture_is_added_by_its_digest_and_gets_no_label(labeler: Browser) -> None:
    world, sha256 = labeler.world, hashlib.sha256(PICTURE).hexdigest()
    address = "drafts/one/pictures?fileName=photo.png"
    tried = labeler.post("try?model=m", content=PICTURE, content_type="application/octet-stream")
    assert tried.status_code == 200
    assert world.container.blobs == {}, "trying stores nothing"
    first = labeler.post(address, content=PICTURE, content_type="application/octet-stream", **SCRIPT)
    assert (first.status_code, first.json()["added"], first.json()["image"]["labelled"]) == (201, True, False)
    assert world.container.blobs[f"images/{sha256}.png"] == PICTURE
    again = labeler.post(address, content=PICTURE, content_type="application/octet-stream", **SCRIPT)
    assert (again.status_code, again.json()["added"], again.json()["image"]["number"]) == (200, False, 0)
    assert Browser(world).sign_in(Role.READER).post(address, content=PICTURE).status_code == 403


def suggesting(page: str) -> str:
    found = re.search(r'data-model="([^"]*)"', page)
    assert found is not None, page
    return found[1]


@pytest.mark.parametrize(
    ("asked", "model"), [("m", "m"), ("newer", "newer"), ("", "newer"), ("gone", "newer"), ("d", "newer"), ("a%00b", "newer")]
)
def test_the_model_that_was_tried_suggests_the_label(labeler: Browser, asked: str, model: str) -> None:
    world = labeler.world
    order = TrainingOrder(training_dataset_name="cats", time_budget_in_hours=1, model_kind=ModelKind.GENERIC_CLASSIFIER)
    newer = world.store.models.create("newer", order)
    world.store.models.begin(newer.id)
    world.store.models.report_progress(newer.id, TrainingProgress(stage="learning", share=1, images=2, seconds=1))
    world.succeed(newer.id)
    world.store.drafts.create("of-cats", ONE, "cats", world.container.url, "ada")
    added = labeler.post("drafts/of-cats/pictures?fileName=a.png", content=PICTURE, content_type="application/octet-stream")
    assert added.status_code == 201
    assert suggesting(labeler.get(f"drafts/of-cats/label?number=0&model={asked}").text) == model
