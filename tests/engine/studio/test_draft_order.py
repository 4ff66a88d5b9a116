"""What to label next, and the images of a draft that are like one, from vectors that a worker has computed."""

import json
from datetime import timedelta

import pytest

from tests.support.api_world import World
from tests.support.draft_vectors import stored_vectors
from tests.support.studio import Browser
from vision_customization.contract.enums import AnnotationKind
from vision_customization.contract.wire import ErrorDetails
from vision_customization.engine.objects.keys import vectors_key
from vision_customization.engine.store.draft_records import DraftLabel, LabelChange, NewDraftImage
from vision_customization.engine.store.inspections import of_draft
from vision_customization.engine.studio import draft_likeness
from vision_customization.engine.studio.pages import draft_order

LINE = {0: (0.0, 0), 1: (1.0, 0), 2: (2.0, 0), 3: (3.0, 0), 4: (10.0, 0)}


@pytest.fixture(autouse=True)
def draft(world: World) -> None:
    """A draft `d` of five images."""
    world.store.drafts.create("d", AnnotationKind.IMAGE_CLASSIFICATION, "d", world.container.url, "ada", tags=["cat", "dog"])
    add(world, 5)


def add(world: World, count: int, first: int = 0) -> None:
    images = [NewDraftImage(f"{number + 1:064x}", ".png", f"{number}.png", 64, 64) for number in range(first, first + count)]
    world.store.drafts.add("d", images, "ada")


def label(world: World, number: int, tag: str) -> None:
    world.store.drafts.label("d", [LabelChange(number, (DraftLabel(tag),))], "ada")


def following(browser: Browser) -> list[int]:
    return [image["number"] for image in browser.get("drafts/d/label/next").json()["images"]]


def test_until_a_worker_has_looked_there_is_no_order_and_the_page_says_so(owner: Browser, world: World) -> None:
    answer = owner.get("drafts/d/label/next").json()
    assert answer == {
        "images": [],
        "complete": False,
        "told": "The engine is looking at the images: 0 of 5 images done. Until it has, the order is that of the grid.",
    }
    owner.get("drafts/d/label/next")
    owner.get("drafts/d/label?order=useful")
    assert len(world.jobs.inspections) == 1, "asked for once"
    assert 'option value="useful" selected' in owner.get("drafts/d/label?order=useful").text


def test_the_most_typical_image_comes_first_and_the_order_follows_the_labels(owner: Browser, world: World) -> None:
    stored_vectors(world, "d", LINE)
    answer = owner.get("drafts/d/label/next").json()
    assert (answer["complete"], answer["told"]) == (True, "")
    assert following(owner)[:2] == [2, 4]
    label(world, 2, "cat")
    assert following(owner)[:2] == [4, 0]
    label(world, 4, "dog")
    assert sorted(following(owner)) == [0, 1, 3]
    assert len(owner.get("drafts/d/label/next?count=2").json()["images"]) == 2
    page = owner.get("drafts/d/label?order=useful").text
    [first] = json.loads(page.partition('id="label-data">')[2].partition("</script>")[0])["first"]
    assert first["number"] == following(owner)[0]


def test_images_that_were_added_meanwhile_come_later(owner: Browser, world: World) -> None:
    stored_vectors(world, "d", LINE)
    add(world, 2, first=5)
    assert sorted(following(owner)) == [0, 1, 2, 3, 4]
    answer = owner.get("drafts/d/label/next").json()
    assert answer["told"] == "The engine is looking at the images: 5 of 7 images done. The others come later."
    assert len(world.jobs.inspections) == 1
    stored_vectors(world, "d", {**LINE, 5: (40.0, 0), 6: (1.0, 1.0)})
    assert sorted(following(owner)) == [0, 1, 2, 3, 4, 5, 6]


def test_removed_images_and_those_labelled_are_not_proposed(owner: Browser, world: World) -> None:
    stored_vectors(world, "d", LINE)
    world.store.drafts.remove("d", [4], "ada")
    label(world, 3, "cat")
    assert sorted(following(owner)) == [0, 1, 2]


def test_images_that_cannot_be_read_are_named_in_number(owner: Browser, world: World) -> None:
    stored_vectors(world, "d", {number: at for number, at in LINE.items() if number != 2}, unread=1)
    answer = owner.get("drafts/d/label/next").json()
    assert answer["told"] == "1 image cannot be read, and comes last."


def test_a_failure_is_said_and_asked_for_again_after_a_while(
    owner: Browser, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner.get("drafts/d/label/next")
    inspection = world.store.inspections.latest(of_draft(world.store.drafts.find("d").id))
    assert inspection is not None
    world.store.inspections.fail(inspection.id, ErrorDetails(code="unknown", message="The container refuses."))
    told = owner.get("drafts/d/label/next").json()["told"]
    assert told.endswith("0 of 5 images done. The container refuses. This page tries again after a minute.")
    assert "The container refuses." in owner.get("drafts/d/like/0").text
    assert '<div id="state" class="empty" role="alert">' in owner.get("drafts/d/like/0", hx_request="true").text
    assert len(world.jobs.inspections) == 1
    monkeypatch.setattr(draft_likeness, "FAILED_FOR", timedelta(seconds=-1))
    owner.get("drafts/d/label/next")
    assert len(world.jobs.inspections) == 2


def test_counts_that_change_every_few_seconds_are_not_announced(owner: Browser) -> None:
    assert "aria-live" not in owner.get("drafts/d/like/3", hx_request="true").text
    assert 'role="' not in owner.get("drafts/d/like/3", hx_request="true").text
    assert '<span class="quiet" id="order-told"></span>' in owner.get("drafts/d/label").text


def test_try_again_asks_at_once(owner: Browser, world: World) -> None:
    owner.get("drafts/d/like/0")
    inspection = world.store.inspections.latest(of_draft(world.store.drafts.find("d").id))
    assert inspection is not None
    world.store.inspections.fail(inspection.id, ErrorDetails(code="unknown", message="The container refuses."))
    assert '<a class="button" href="/studio/drafts/d/like/0?again=1">Try again</a>' in owner.get("drafts/d/like/0").text
    page = owner.get("drafts/d/like/0?again=1").text
    assert "The engine is looking at the images" in page
    assert 'hx-get="/studio/drafts/d/like/0"' in page
    assert len(world.jobs.inspections) == 2
    owner.get("drafts/d/like/0?again=1")
    assert len(world.jobs.inspections) == 2, "it is on its way"


def test_several_drafts_share_the_memory(owner: Browser, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draft_likeness, "KEPT_DRAFTS", 1)
    stored_vectors(world, "d", LINE)
    world.store.drafts.create("e", AnnotationKind.IMAGE_OBJECT_DETECTION, "e", world.container.url, "ada")
    world.store.drafts.add("e", [NewDraftImage("ab" * 32, ".png", "e.png", 64, 64)], "ada")
    stored_vectors(world, "e", {0: (1.0, 0)})
    for _ in range(2):
        assert len(following(owner)) == 5
        assert [image["number"] for image in owner.get("drafts/e/label/next").json()["images"]] == [0]


def test_more_like_one_waits_for_the_worker_and_then_leads_to_the_grid(owner: Browser, world: World) -> None:
    waiting = owner.get("drafts/d/like/3")
    assert "The engine is looking at the images" in waiting.text
    assert "hx-trigger" in owner.get("drafts/d/like/3", hx_request="true").text
    stored_vectors(world, "d", LINE)
    ready = owner.get("drafts/d/like/3")
    assert (ready.status_code, ready.headers["location"]) == (303, "/studio/drafts/d?like=3")
    assert owner.get("drafts/d/like/3", hx_request="true").headers["hx-redirect"] == "/studio/drafts/d?like=3"
    assert owner.get("drafts/d/like/77").status_code == 404


def test_an_image_beyond_those_that_are_compared_says_so(owner: Browser, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draft_order, "IMAGES_MAX", 3)
    monkeypatch.setattr(draft_likeness, "IMAGES_MAX", 3)
    stored_vectors(world, "d", {number: LINE[number] for number in range(3)})
    page = owner.get("drafts/d/like/3").text
    assert "It compares the first 3 images of a draft, and this one comes after them." in page


def test_the_grid_shows_the_nearest_first_within_its_filters(owner: Browser, world: World) -> None:
    stored_vectors(world, "d", LINE)
    label(world, 2, "cat")
    found = owner.get("drafts/d/images?like=3").json()
    assert (found["count"], [image["number"] for image in found["images"]]) == (5, [3, 2, 1, 0, 4])
    part = owner.get("drafts/d/images?like=3&start=1&count=2").json()
    assert (part["count"], [image["number"] for image in part["images"]]) == (5, [2, 1])
    unlabelled = owner.get("drafts/d/images?like=3&only=unlabelled").json()
    assert [image["number"] for image in unlabelled["images"]] == [3, 1, 0, 4]
    assert [image["number"] for image in owner.get("drafts/d/images?like=3&tag=cat").json()["images"]] == [2]
    page = owner.get("drafts/d?like=3").text
    assert "most like <strong>3.png</strong>" in page
    assert 'data-cells="/studio/drafts/d/images?like=3"' in page
    assert owner.get("drafts/d/images?like=x", accept="application/json").status_code == 400
    for missing in ("drafts/d?like=77", "drafts/d/images?like=77"):
        answer = owner.get(missing)
        assert answer.status_code == 404
        assert "77" in answer.text


def test_the_grid_of_an_image_that_no_worker_has_looked_at(owner: Browser) -> None:
    page = owner.get("drafts/d?like=3").text
    assert 'href="/studio/drafts/d/like/3"' in page
    found = owner.get("drafts/d/images?like=3").json()
    assert (found["count"], found["images"]) == (0, [])


def test_vectors_go_with_their_draft(world: World) -> None:
    stored_vectors(world, "d", LINE)
    draft = world.store.drafts.find("d")
    assert world.call("DELETE", "drafts/d").status_code == 204
    assert not world.objects.exists(vectors_key(draft.id))
    assert world.store.inspections.latest(of_draft(draft.id)) is None
