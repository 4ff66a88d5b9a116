"""Datasets: the list."""

import pytest

from tests.support.api_world import World
from tests.support.coco_content import coco, register
from tests.support.studio import Browser
from vision_customization.contract.enums import AnnotationKind
from vision_customization.contract.studio import Role


def test_an_engine_without_a_dataset_says_how_to_get_one(owner: Browser) -> None:
    answer = owner.get("datasets")
    assert answer.status_code == 200
    assert "No dataset is registered yet" in answer.text
    assert "vision datasets register" in answer.text


def test_a_row_says_what_a_dataset_is(owner: Browser, world: World) -> None:
    document = coco({"1.jpg": ["cat"], "2.jpg": ["dog"], "3.jpg": ["dog"]})
    content = register(world.store, "pets", document, managedBy="pulumi:photos/local")
    world.register("unseen", annotationKind="imageObjectDetection")
    world.create("m", trainingDatasetName="pets")
    text = owner.get("datasets").text
    pets, unseen = text.split('<li class="card">')[1:]
    for part in ("Classification, one tag per image", "<dd>3</dd>", "<dd>2</dd>", "the Pulumi stack photos/local", ">m</a>"):
        assert part in pets
    assert content.digest[:12] in pets
    for part in ("Detection, objects in boxes", "open it to count them", "<dd>the API</dd>", "no model"):
        assert part in unseen
    assert world.jobs.indexes == [], "a list does not make workers read every dataset"


def test_the_filter_and_the_pages(owner: Browser, world: World) -> None:
    for number in range(53):
        world.store.datasets.create(f"set-{number:02}", AnnotationKind.IMAGE_CLASSIFICATION, ["https://a.example/c/t.json"])
    first = owner.get("datasets").text
    assert "53 datasets" in first
    assert "set-49" in first
    assert "set-50" not in first
    assert 'rel="next" href="/studio/datasets?start=50"' in first
    second = owner.get("datasets?start=50").text
    assert "51 to 53 of 53" in second
    assert 'rel="prev"' in second
    filtered = owner.get("datasets?q=T-5").text
    assert "3 datasets with “T-5” in the name" in filtered
    assert "set-49" not in filtered
    assert "No dataset has “&lt;b&gt;” in its name" in owner.get("datasets?q=%3Cb%3E").text


def test_a_script_gets_the_rows_alone(owner: Browser, world: World) -> None:
    world.register("cats")
    text = owner.get("datasets?q=cat", **{"hx-request": "true"}).text
    assert "<html" not in text
    assert 'id="datasets"' in text


@pytest.mark.parametrize("query", ["start=-1", "start=x", "start=999999999999999999999", "q=%00", "q=" + "x" * 5000])
def test_a_strange_query_is_no_error(owner: Browser, world: World, query: str) -> None:
    world.register("cats")
    assert owner.get(f"datasets?{query}").status_code == 200


def test_readers_see_it(browser: Browser, world: World) -> None:
    world.register("cats")
    assert "cats" in browser.sign_in(Role.READER).get("datasets").text
