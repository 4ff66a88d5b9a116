"""The page that labels: who may, what it begins with, and what its scripts ask for."""

import json
import re
from typing import Any

import pytest

from tests.support.api_world import World, build
from tests.support.studio import Browser
from vision_customization.contract.enums import AnnotationKind
from vision_customization.contract.studio import Role
from vision_customization.engine.store.draft_records import DraftLabel, LabelChange, NewDraftImage
from vision_customization.engine.studio import create_studio

JSON = {"accept": "application/json"}
HOSTILE = '</script><img src=x onerror=alert(1)><a hx-get="/x">'


@pytest.fixture
def labeler(world: World) -> Browser:
    """Somebody who labels, and a draft `d` with six pictures: the first is a cat, and the third was removed."""
    kind = AnnotationKind.IMAGE_CLASSIFICATION
    world.store.drafts.create("d", kind, "d", world.container.url, "ada", tags=["cat", HOSTILE])
    world.store.drafts.add(
        "d", [NewDraftImage(f"{number:064x}", ".png", f"{number}.png", 60, 80) for number in range(6)], "ada"
    )
    world.store.drafts.label("d", [LabelChange(0, (DraftLabel("cat"),))], "ada")
    world.store.drafts.remove("d", [2], "ada")
    return Browser(world).sign_in(Role.LABELER, "ben")


def data_of(text: str) -> Any:  # noqa: ANN401 - JSON
    found = re.search(r'<script type="application/json" id="label-data">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("", [1, 3, 4, 5]),  # from the first without labels on
        ("?number=4", [4, 5]),
        ("?number=2", [2, 3, 4, 5]),  # also one that was removed
        ("?number=99", [1, 3, 4, 5]),
        ("?number=x", [1, 3, 4, 5]),
        ("?tag=cat", [0]),
        ("?only=unlabelled", [1, 3, 4, 5]),
        ("?only=removed", [2]),
    ],
)
def test_what_it_begins_with(labeler: Browser, query: str, numbers: list[int]) -> None:
    reply = labeler.get(f"drafts/d/label{query}")
    assert reply.status_code == 200
    assert [image["number"] for image in data_of(reply.text)["first"]] == numbers


def test_counts_and_hostile_names(labeler: Browser) -> None:
    text = labeler.get("drafts/d/label").text
    data = data_of(text)
    assert (data["images"], data["unlabelled"]) == (5, 4)
    assert data["tags"] == [{"name": "cat", "images": 1, "labels": 1}, {"name": HOSTILE, "images": 0, "labels": 0}]
    assert "<img" not in text
    assert "hx-get" not in re.sub(r'<script type="application/json".*?</script>', "", text, flags=re.DOTALL)


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("", [0, 1, 3, 4, 5]),
        ("?after=1&count=2", [3, 4]),
        ("?before=4&count=2", [3, 1]),
        ("?before=0", []),
        ("?after=0&only=unlabelled&count=1", [1]),
        ("?tag=cat", [0]),
        ("?tag=no", []),
        ("?after=x&count=x", [0, 1, 3, 4, 5]),
    ],
)
def test_images_beside_one(labeler: Browser, query: str, numbers: list[int]) -> None:
    reply = labeler.get(f"drafts/d/label/images{query}", **JSON)
    assert [image["number"] for image in reply.json()["images"]] == numbers


@pytest.mark.parametrize("path", ["drafts/d/label?only=nothing", "drafts/d/label/images?only=nothing"])
def test_a_choice_that_does_not_exist(labeler: Browser, path: str) -> None:
    reply = labeler.get(path)
    assert reply.status_code == 400
    assert "unlabelled" in reply.text


def test_a_filter_without_images_and_an_empty_draft(labeler: Browser, world: World) -> None:
    text = labeler.get("drafts/d/label?only=conflicts").text
    assert "This draft has no images with other labels in the dataset." in text
    assert "label.js" not in text
    world.store.drafts.create("e", AnnotationKind.IMAGE_OBJECT_DETECTION, "e", world.container.url, "ada")
    assert 'href="/studio/drafts/e/import"' in labeler.get("drafts/e/label").text
    assert labeler.get("drafts/no/label").status_code == 404


def test_a_reader_is_told_why_not(labeler: Browser, world: World) -> None:
    text = Browser(world).sign_in(Role.READER, "eve").get("drafts/d/label").text
    assert "You are signed in as reader." in text
    assert "label.js" not in text


def test_code_names_the_draft_and_the_image(labeler: Browser) -> None:
    text = labeler.get("drafts/d/label?number=4").text
    assert "/computervision/drafts/d/images/4/labels?api-version=" in text
    assert "$VISION_KEY" in text


def test_an_engine_without_a_container_says_what_that_means(labeler: Browser, world: World) -> None:
    assert "VISION_ENGINE_STUDIO_CONTAINER" not in labeler.get("drafts/d/label").text
    closed = build(world.settings, world.store, studio=create_studio, studio_container=None)
    text = Browser(closed).sign_in(Role.LABELER, "ben").get("drafts/d/label").text
    assert "VISION_ENGINE_STUDIO_CONTAINER" in text
    assert "label.js" in text
