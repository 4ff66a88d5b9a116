"""The tags of a dataset against the contract's minimum."""

import re
from html import unescape

import pytest

from tests.support.api_world import World
from tests.support.coco_content import coco, register
from tests.support.studio import Browser
from vision_customization.contract.enums import AnnotationKind


def rows(text: str) -> list[str]:
    return re.findall(r"<tr>\s*<th scope=\"row\">.*?</tr>", text, re.DOTALL)


def test_a_tag_links_to_its_images_and_says_what_it_lacks(owner: Browser, world: World) -> None:
    images = {**{f"{number}.jpg": ["cat"] for number in range(40)}, "a.jpg": ["a&b"], "b.jpg": []}
    register(world.store, "pets", coco(images, tags=["none"]))
    text = owner.get("datasets/pets/tags").text
    cat, rare, none = rows(text)
    assert 'href="/studio/datasets/pets?tag=cat"' in cat
    assert '<td class="number">40</td>' in cat
    assert "yes" in cat
    assert 'href="/studio/datasets/pets?tag=a%26b"' in rare
    assert "1 too few" in rare
    assert "no label" in none
    assert "each tag needs at least 2 images" in text
    assert "“none” is on no image, so a model cannot learn it." in unescape(text)
    assert "Objects</th>" not in text


def test_objects_are_counted_beside_images(owner: Browser, world: World) -> None:
    box = [0.1, 0.1, 0.2, 0.2]
    images = {"1.jpg": [("cup", box), ("cup", [0.5, 0.5, 0.2, 0.2])], "2.jpg": [("cup", box)]}
    register(world.store, "shelf", coco(images), AnnotationKind.IMAGE_OBJECT_DETECTION)
    text = owner.get("datasets/shelf/tags").text
    [cup] = rows(text)
    assert re.findall(r'class="number">(\d+)<', cup) == ["2", "3"]
    assert "each tag needs at least 1 object" in text


def test_a_tag_on_every_image_cannot_be_learned_as_one_of_several(owner: Browser, world: World) -> None:
    images = {f"{number}.jpg": ["always", *(["seldom"] if number < 3 else [])] for number in range(6)}
    register(world.store, "pets", coco(images), AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION)
    always, seldom = rows(owner.get("datasets/pets/tags").text)
    assert "on nearly every image" in always
    assert "yes" in seldom


def test_the_filter_and_the_pages(owner: Browser, world: World) -> None:
    register(world.store, "many", coco({f"{number}.jpg": [f"tag {number:03}"] for number in range(250)}))
    first = owner.get("datasets/many/tags").text
    assert len(rows(first)) == 200
    assert len(first) < 200_000
    assert "201 to 250 of 250" in owner.get("datasets/many/tags?start=200").text
    assert len(rows(owner.get("datasets/many/tags?q=TAG 24").text)) == 10
    assert "No tag has “elm” in its name" in owner.get("datasets/many/tags?q=elm").text


@pytest.mark.parametrize("path", ["tags", "health", "health/labels"])
def test_a_dataset_that_is_being_read(owner: Browser, world: World, path: str) -> None:
    world.register("pets")
    answer = owner.get(f"datasets/pets/{path}")
    if answer.status_code == 303:
        answer = owner.get(answer.headers["location"])
    assert "The engine is reading this dataset" in answer.text


def test_a_dataset_without_tags(owner: Browser, world: World) -> None:
    register(world.store, "empty", coco({"1.jpg": []}))
    assert "This dataset has no tag" in owner.get("datasets/empty/tags").text
