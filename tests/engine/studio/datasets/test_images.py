"""A dataset's images: the page of the grid, and the cells that it asks for."""

import json
from html import unescape
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote

import pytest

from tests.support.api_world import World
from tests.support.coco_content import coco, digest_of, read, register, url_of
from tests.support.studio import Browser
from vision_customization.contract.enums import AnnotationKind
from vision_customization.contract.wire import ErrorDetails

HOSTILE = '"><img src=x onerror=alert(1)><a hx-get=/studio/sign-out hx-trigger=load>'
SHELF = {
    "1.jpg": [("cup", [0.1, 0.2, 0.3, 0.4]), ("fork", [0.5, 0.5, 0.2, 0.1])],
    "2.jpg": [("cup", [0.0, 0.0, 1.0, 1.0])],
    "3.jpg": [],
}


class Attributes(HTMLParser):
    """The names of all attributes of a page, and the addresses that htmx asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.asked: set[str | None] = set()

    @classmethod
    def of(cls, page: str) -> "Attributes":
        found = cls()
        found.feed(page)
        found.close()
        return found

    def handle_starttag(self, _tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names |= {name for name, _ in attrs}
        self.asked |= {value for name, value in attrs if name in ("hx-get", "hx-post")}


@pytest.fixture
def pets(world: World) -> World:
    images = {f"{number}.jpg": [["cat"], ["dog"], []][number % 3] for number in range(90)}
    register(world.store, "pets", coco(images))
    return world


@pytest.fixture
def shelf(world: World) -> World:
    register(world.store, "shelf", coco(SHELF), AnnotationKind.IMAGE_OBJECT_DETECTION)
    return world


def cells(browser: Browser, path: str) -> dict[str, Any]:
    answer = browser.get(path, accept="application/json")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    found: dict[str, Any] = answer.json()
    return found


def test_the_first_look_makes_a_worker_read_the_dataset(owner: Browser, world: World) -> None:
    world.register("pets")
    waiting = owner.get("datasets/pets").text
    assert "The engine is reading this dataset" in waiting
    assert "A worker will begin soon" in waiting
    [index_id] = world.jobs.indexes
    world.store.content.begin(index_id)
    world.store.content.report(index_id, images_read=12_000)
    state = owner.get("datasets/pets/state", **{"hx-request": "true"})
    assert "12,000 images read so far" in state.text
    world.store.content.report(index_id, message="The identity may not read the container yet.")
    assert "The identity may not read the container yet." in owner.get("datasets/pets/state").text
    assert 'hx-trigger="every 2s"' in state.text
    assert "<html" not in state.text
    assert cells(owner, "datasets/pets/cells") == {"count": 0, "cells": []}
    why = "Annotation file 'train.json': the SAS token has expired."
    world.store.content.fail(index_id, ErrorDetails(code="datasetCorrupt", message=why))
    failed = owner.get("datasets/pets").text
    assert "The engine cannot read this dataset" in failed
    assert "the SAS token has expired" in failed
    assert "set a new one" in failed
    assert len(world.jobs.indexes) == 1


def test_a_page_that_waited_is_loaded_again(owner: Browser, pets: World) -> None:
    answer = owner.get("datasets/pets/state", **{"hx-request": "true"})
    assert (answer.status_code, answer.headers["hx-refresh"]) == (204, "true")


def test_the_page_has_a_grid_and_its_filters(owner: Browser, pets: World) -> None:
    text = owner.get("datasets/pets").text
    assert 'role="listbox"' in text
    assert 'data-count="90"' in text
    assert 'data-cells="/studio/datasets/pets/cells"' in text
    assert '<option value="cat"></option>' in text
    assert '<option value="unlabelled">without a label (30)</option>' in text
    assert "Each object alone" not in text
    assert len(text) < 200_000


def test_what_a_stack_declares_is_not_changed_here(owner: Browser, world: World) -> None:
    register(world.store, "pets", coco({"1.jpg": ["cat"]}), managedBy="pulumi:photos/local")
    text = unescape(owner.get("datasets/pets").text)
    assert "The Pulumi stack photos/local declares this dataset" in text
    assert "photos:datasets" in text  # the YAML of that project


@pytest.mark.parametrize(
    ("query", "count", "positions"),
    [
        ("", 90, list(range(60))),
        ("?start=80&count=60", 90, list(range(80, 90))),
        ("?start=90", 90, []),
        ("?tag=dog&count=3", 30, [1, 4, 7]),
        ("?tag=dog&start=29&count=3", 30, [88]),
        ("?only=unlabelled&start=1&count=2", 30, [5, 8]),
        ("?tag=dog&only=unlabelled&count=1", 30, [1]),  # a tag counts more
        ("?tag=Dog", 0, []),
        ("?only=size", 0, []),
        ("?only=nonsense&count=1", 90, [0]),
        ("?start=-5&count=1", 90, [0]),
        ("?start=x&count=x", 90, list(range(60))),
        ("?count=100000", 90, list(range(90))),
        ("?tag=%00", 0, []),
    ],
)
def test_cells_of_a_filter(owner: Browser, pets: World, query: str, count: int, positions: list[int]) -> None:
    found = cells(owner, f"datasets/pets/cells{query}")
    assert (found["count"], [cell["position"] for cell in found["cells"]]) == (count, positions)


def test_a_cell_has_all_that_the_grid_draws(owner: Browser, shelf: World) -> None:
    read(shelf.store, "1.jpg")
    first, _, third = cells(owner, "datasets/shelf/cells")["cells"]
    assert first == {
        "position": 0,
        "name": "1.jpg",
        "page": "/studio/datasets/shelf/images/0",
        "picture": f"/studio/datasets/shelf/images/0/thumbnail?v={digest_of('1.jpg')}",
        "tags": ["cup", "fork"],
        "more": 0,
        "problems": 0,
        "boxes": [[0.1, 0.2, 0.3, 0.4, first["boxes"][0][4]], [0.5, 0.5, 0.2, 0.1, first["boxes"][1][4]]],
    }
    assert third["picture"] == "/studio/datasets/shelf/images/2/thumbnail"  # its digest is not known
    assert (third["tags"], third["boxes"]) == ([], [])


def test_objects_of_a_tag_one_by_one(owner: Browser, shelf: World) -> None:
    text = owner.get("datasets/shelf?tag=cup").text
    assert 'href="/studio/datasets/shelf?tag=cup&amp;crops=yes"' in text
    alone = owner.get("datasets/shelf?tag=cup&crops=yes").text
    assert 'data-count="2"' in alone
    assert "Whole images" in alone
    found = cells(owner, "datasets/shelf/cells?tag=cup&crops=yes")
    assert found["count"] == 2
    assert [cell["page"] for cell in found["cells"]] == [
        "/studio/datasets/shelf/images/0?tag=cup&crops=yes&at=0",
        "/studio/datasets/shelf/images/1?tag=cup&crops=yes&at=1",
    ]
    assert found["cells"][0]["picture"] == "/studio/datasets/shelf/images/0/crop?box=0.1%2C0.2%2C0.3%2C0.4"


def test_a_filter_that_selects_nothing_says_so(owner: Browser, pets: World) -> None:
    text = owner.get("datasets/pets?tag=elm").text
    assert "No image has the tag “elm”" in text
    assert 'id="grid"' not in text


def test_names_that_are_markup_stay_text(owner: Browser, world: World) -> None:
    document = coco({HOSTILE: [HOSTILE, "cat"], "b.jpg": ["cat"]})
    register(world.store, "pets", document, AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION)
    pages = ("", "/images/0", "/images/0/answer", "/tags", "/health", "/health/checker")
    for path in (*(f"datasets/pets{page}" for page in pages), f"datasets/pets?tag={quote(HOSTILE)}"):
        answer = owner.get(path)
        assert answer.status_code == 200
        found = Attributes.of(answer.text)
        assert "onerror" not in found.names, path
        assert "/studio/sign-out" not in found.asked, path
    [cell, _] = cells(owner, "datasets/pets/cells")["cells"]
    assert cell["name"] == HOSTILE


def test_a_dataset_that_has_changed_meanwhile_is_shown_as_it_was(owner: Browser, pets: World) -> None:
    pets.store.datasets.update("pets", annotation_file_uris=["https://acct.blob.core.windows.net/c/new.json"])
    text = owner.get("datasets/pets").text
    assert 'data-count="90"' in text
    assert "The annotation files have changed, and a worker reads them" in text


@pytest.mark.parametrize("path", ["none", "none/cells", "none/state", "..%2f..", "%00"])
def test_a_dataset_that_does_not_exist(owner: Browser, world: World, path: str) -> None:
    assert owner.get(f"datasets/{path}").status_code == 404


def test_addresses_have_no_query_of_a_url(owner: Browser, world: World) -> None:
    document = coco({"1.jpg": ["cat"]})
    document["images"][0]["absolute_url"] = f"{url_of('1.jpg')}?sig=Secret"
    register(world.store, "pets", document)
    for path in ("datasets/pets", "datasets/pets/cells", "datasets/pets/images/0"):
        assert "Secret" not in owner.get(path).text
    assert json.dumps(url_of("1.jpg"))[1:-1] in owner.get("datasets/pets/images/0").text


def test_the_first_cells_come_with_the_page_unless_they_are_many_boxes(owner: Browser, world: World) -> None:
    boxes = [("cup", [0.001 * number, 0.25, 0.125, 0.125]) for number in range(200)]
    for name, images in (("few", SHELF), ("crowded", {f"{number}.jpg": boxes for number in range(60)})):
        register(world.store, name, coco(images), AnnotationKind.IMAGE_OBJECT_DETECTION)
    text = owner.get("datasets/few").text
    first = json.loads(text.partition('id="first-cells">')[2].partition("</script>")[0])
    assert first == cells(owner, "datasets/few/cells")["cells"]
    crowded = owner.get("datasets/crowded").text
    assert "first-cells" not in crowded
    assert len(crowded) < 200_000
    assert len(cells(owner, "datasets/crowded/cells?count=1")["cells"][0]["boxes"]) == 100
