"""A new user's way through the Studio, on what `pulumi up` made of each example."""

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from examples.detection import PARTS, read_pictures, write_dataset
from tests.engine.studio.browser.journey import Journey, one_of, stack_for_a_test
from tests.stacks.project import Project
from tests.support.places import CHECKOUT
from toolchain.places import find_places
from toolchain.programs.npm_package import unpack
from toolchain.samples import FLUENT_EMOJI

pytestmark = [pytest.mark.ci, pytest.mark.stack, pytest.mark.process, pytest.mark.browser]

TEXTILE = CHECKOUT / "examples" / "textile"
SCENES = {"train.json": 9, "test.json": 6}
SCENE_TAGS = ("apple", "banana", "bread")
"""The first tags of the drawn scenes; the others' objects are drawn without boxes. Fewer tags, fewer steps of training."""
COPY, LEAK = "images/copy.jpg", "images/from-the-test.jpg"


def config(name: str, annotation_kind: str, **model: str) -> dict[str, Any]:
    """A stack of a training and a test dataset in the folder `name`, and a model of them."""
    return {
        "platform": "local",
        "datasets": {
            f"{name}-{part}": {"annotationKind": annotation_kind, "annotationFiles": [f"{part}.json"], "source": name}
            for part in ("train", "test")
        },
        "models": {name: {"trainingDataset": f"{name}-train", "evaluationDataset": f"{name}-test", "publish": True, **model}},
    }


def copy_part(folder: Path, name: str, images_per_tag: int, wrong: int) -> list[str]:
    """Copy the first images of each tag, and give the first `wrong` of them the last tag. Returns their names."""
    document = json.loads((TEXTILE / name).read_text())
    tags = [category["id"] for category in document["categories"]]
    kept = [
        annotation
        for tag in tags
        for annotation in [each for each in document["annotations"] if each["category_id"] == tag][:images_per_tag]
    ]
    ids = {annotation["image_id"] for annotation in kept}
    images = [image for image in document["images"] if image["id"] in ids]
    for image in images:
        target = folder / image["file_name"]
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(TEXTILE / image["file_name"], target)
    for annotation in kept[:wrong]:
        annotation["category_id"] = tags[-1]
    names = {image["id"]: str(image["file_name"]) for image in images}
    relabelled = [names[annotation["image_id"]] for annotation in kept[:wrong]]
    number = {image["id"]: index for index, image in enumerate(images, 1)}  # a dataset's ids have no gaps
    images = [{**image, "id": number[image["id"]]} for image in images]
    kept = [{**each, "id": index, "image_id": number[each["image_id"]]} for index, each in enumerate(kept, 1)]
    (folder / name).write_text(json.dumps({**document, "images": images, "annotations": kept}))
    return relabelled


def draw_scenes(folder: Path) -> None:
    """Some scenes of the example, of which the training has one twice, and one of the test's, each as another JPEG."""
    pictures = read_pictures(unpack(FLUENT_EMOJI, find_places()) / "assets")
    write_dataset(pictures, folder, {name: replace(PARTS[name], images=count) for name, count in SCENES.items()})
    parts = {}
    for name in SCENES:
        document = json.loads((folder / name).read_text())
        document["categories"] = document["categories"][: len(SCENE_TAGS)]
        assert tuple(category["name"] for category in document["categories"]) == SCENE_TAGS
        document["annotations"] = [each for each in document["annotations"] if each["category_id"] <= len(SCENE_TAGS)]
        parts[name] = document
    add_scene(folder, parts["train.json"], parts["train.json"], COPY)
    add_scene(folder, parts["train.json"], parts["test.json"], LEAK)
    for name, document in parts.items():
        numbered = [{**each, "id": index} for index, each in enumerate(document["annotations"], 1)]
        (folder / name).write_text(json.dumps({**document, "annotations": numbered}))


def add_scene(folder: Path, document: dict[str, Any], source: dict[str, Any], file_name: str) -> None:
    """The first scene of `source` with a box, encoded again, as the last one of `document`."""
    boxed = {each["image_id"] for each in source["annotations"]}
    scene = next(image for image in source["images"] if image["id"] in boxed)
    number = len(document["images"]) + 1
    with Image.open(folder / scene["file_name"]) as image:
        image.save(folder / file_name, quality=60)
    boxes = [each for each in source["annotations"] if each["image_id"] == scene["id"]]
    document["images"].append({**scene, "id": number, "file_name": file_name})
    document["annotations"] += [{**each, "image_id": number} for each in boxes]


@pytest.fixture
def textile(tmp_path: Path) -> Iterator[tuple[Project, list[str]]]:
    """A stack of which four training images have a wrong label, and these images' names."""
    wrong = copy_part(tmp_path / "textile", "train.json", 30, wrong=4)
    copy_part(tmp_path / "textile", "test.json", 12, wrong=0)
    with stack_for_a_test(tmp_path, config("textile", "imageClassification")) as project:
        yield project, wrong


@pytest.fixture
def scenes(tmp_path: Path) -> Iterator[Project]:
    draw_scenes(tmp_path / "groceries")
    kinds = {"annotation_kind": "imageObjectDetection", "modelKind": "Generic-Detector"}
    with stack_for_a_test(tmp_path, config("groceries", **kinds)) as project:
        yield project


def test_a_classifier_from_the_stack_to_a_curl_that_works(
    textile: tuple[Project, list[str]], page: Page, tmp_path: Path
) -> None:
    stack, wrong = textile
    stack.up().succeeded()
    model = stack.outputs()["models"]["textile"]["name"]
    journey = Journey.begin(stack, page)
    journey.sign_in()
    expect(page.get_by_role("link", name=model).first).to_be_visible()
    journey.open_images("textile-train", 90)

    # Health names images whose label is wrong; not each of them is certain enough.
    journey.open_health()
    names = one_of([Path(name).name for name in wrong])
    journey.open_finding(journey.findings("Likely wrong labels").filter(has_text=names).first)

    journey.open_judge(model)
    journey.raise_threshold(20)
    journey.open_matrix_cell(page.locator("table.matrix a").first)

    picture = next((tmp_path / "textile" / "images" / "nominal").iterdir())
    result = journey.try_picture("textile", picture)
    expect(result.locator(".scores")).to_contain_text("nominal")
    assert "tagsResult" in journey.run_copied_curl(result, picture.parent)


@pytest.mark.timeout(1_800)  # it trains a detector
def test_a_detector_from_the_stack_to_a_curl_that_works(scenes: Project, page: Page, tmp_path: Path) -> None:
    scenes.up(timeout_seconds=900).succeeded()
    model = scenes.outputs()["models"]["groceries"]["name"]
    journey = Journey.begin(scenes, page)
    journey.sign_in()
    expect(page.get_by_role("link", name=model).first).to_be_visible()
    journey.open_images("groceries-train", SCENES["train.json"] + 2)
    expect(page.locator("[role=option].loaded rect").first).to_be_visible()

    # Health names the picture that is there twice, and the one that the model is also judged by.
    journey.open_health()
    leaked = journey.findings("Pictures on both sides").filter(has_text=Path(LEAK).name)
    expect(leaked).to_have_count(1, timeout=60_000)
    journey.open_finding(journey.findings("Near-duplicates").filter(has_text=Path(COPY).name))
    expect(page.locator("#boxes rect").first).to_be_visible()

    # At a threshold that no answer reaches, each object is missed.
    journey.open_judge(model)
    journey.raise_threshold(100)
    missed = page.locator("#at section.cost").filter(has_text="Missed")
    expect(missed.get_by_role("img").first).to_be_visible()
    journey.open_matrix_cell(page.locator("table.matrix a").first)
    expect(page.locator("ul.shots svg path").first).to_be_attached()

    picture = tmp_path / "groceries" / "images" / "test-002.jpg"
    result = journey.try_picture("groceries", picture)
    boxes, rows = result.locator("rect.line"), result.get_by_role("list", name="Boxes").get_by_role("listitem")
    expect(boxes.first).to_be_visible()
    expect(rows).to_have_count(boxes.count())
    expect(rows.first).to_contain_text(re.compile(r"(apple|banana|bread)\s*\d+\.\d %"))
    assert journey.run_copied_curl(result, picture.parent)["objectsResult"]["values"]
