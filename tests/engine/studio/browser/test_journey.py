"""A new user's way through the Studio, on what `pulumi up` made of a classifier and of a detector."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.engine.jobs.scenes import TAGS, drawn_scene, scenes_coco
from tests.engine.studio.browser.journey import Journey, one_of, stack_for_a_test
from tests.stacks.project import VENV_BIN, Project
from tests.support.places import CHECKOUT
from vision_customization.customization.client.client import VisionClient

pytestmark = [pytest.mark.ci, pytest.mark.stack, pytest.mark.process, pytest.mark.browser]

TEXTILE = CHECKOUT / "examples" / "textile"
SCENES = {"train.json": range(9), "test.json": range(100, 106)}
"""The seeds of the scenes. Two tags and eleven images, of which two are there again, are the fewest steps of a training."""
SIDE = 240
COPY, LEAK = "images/copy.jpg", "images/from-the-test.jpg"


def config(name: str, annotation_kind: str, **model: object) -> dict[str, Any]:
    """A stack of a training and a test dataset in the folder `name`, and a model of them."""
    return {
        "platform": "local",
        "datasets": {
            f"{name}-{part}": {"annotationKind": annotation_kind, "annotationFiles": [f"{part}.json"], "source": name}
            for part in ("train", "test")
        },
        "models": {name: {"trainingDataset": f"{name}-train", "evaluationDataset": f"{name}-test", "publish": True, **model}},
    }


SCENES_CONFIG = config("scenes", "imageObjectDetection", modelKind="Generic-Detector", require={"meanAveragePrecision50": 0.8})


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


def write_scenes(folder: Path) -> None:
    """Drawn scenes, of which the training has one twice, and one of the test's, each as another JPEG."""
    (folder / "images").mkdir(parents=True)
    for file_name, seeds in SCENES.items():
        images = []
        for seed in seeds:
            data, boxes = drawn_scene(seed, SIDE)
            (folder / "images" / f"{seed}.png").write_bytes(data)
            images.append(({"file_name": f"images/{seed}.png"}, boxes))
        if file_name == "train.json":
            images += [again(folder, SCENES["train.json"][0], COPY), again(folder, SCENES["test.json"][0], LEAK)]
        (folder / file_name).write_bytes(scenes_coco(images, SIDE))


def again(folder: Path, seed: int, file_name: str) -> tuple[dict[str, str], list[list[float]]]:
    """A scene with its boxes, encoded again."""
    data, boxes = drawn_scene(seed, SIDE)
    with Image.open(BytesIO(data)) as image:
        image.save(folder / file_name, quality=60)
    return {"file_name": file_name}, boxes


@pytest.fixture
def textile(tmp_path: Path) -> Iterator[tuple[Project, list[str]]]:
    """A stack of which four training images have a wrong label, and these images' names."""
    wrong = copy_part(tmp_path / "textile", "train.json", 30, wrong=4)
    copy_part(tmp_path / "textile", "test.json", 12, wrong=0)
    with stack_for_a_test(tmp_path, config("textile", "imageClassification")) as project:
        yield project, wrong


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A stack with a detector, up: what `make up EXAMPLE=detection` does, in few steps."""
    folder = tmp_path_factory.mktemp("scenes")
    write_scenes(folder / "scenes")
    with stack_for_a_test(folder, SCENES_CONFIG) as project:
        output = project.up(timeout_seconds=900).succeeded().output
        assert re.search(r"trained in .* on 11 images \(11 read, 78 steps\)", output), output
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


@pytest.mark.timeout(1_800)  # the first of the two trains it
def test_a_detector_is_trained_gated_published_asked_drawn_and_left_alone(scenes: Project, tmp_path: Path) -> None:
    outputs = scenes.outputs()
    model = outputs["models"]["scenes"]
    assert (model["kind"], model["status"], model["publishedName"]) == ("Generic-Detector", "succeeded", "scenes")
    assert model["performance"]["meanAveragePrecision50"] >= 0.8

    photo = scenes.folder / "scenes" / "images" / "103.png"
    answer = VisionClient(outputs["endpoint"], outputs["key"]).analyze("scenes", photo.read_bytes())
    assert answer.custom_model_result is not None
    assert answer.custom_model_result.objects_result is not None
    best = {found.tags[0].name: found.bounding_box for found in reversed(answer.custom_model_result.objects_result.values)}
    for tag, box in zip(TAGS, drawn_scene(103, SIDE)[1], strict=True):
        given = (best[tag].x, best[tag].y, best[tag].w, best[tag].h)
        assert given == pytest.approx([side * SIDE for side in box], abs=SIDE / 12)

    drawn = tmp_path / "boxes.png"
    environment = {**os.environ, "VISION_ENDPOINT": outputs["endpoint"], "VISION_KEY": outputs["key"]}
    arguments = [VENV_BIN / "vision", "predict", "scenes", photo, "--draw", drawn]
    subprocess.run(arguments, env=environment, check=True, timeout=60, stdout=subprocess.DEVNULL)
    with Image.open(photo) as before, Image.open(drawn) as after:
        assert after.size == before.size
        assert after.convert("RGB").tobytes() != before.convert("RGB").tobytes()

    scenes.preview("--expect-no-changes").succeeded()
    tiled = {**SCENES_CONFIG["models"]["scenes"], "tiles": 2}
    scenes.configure({**SCENES_CONFIG, "models": {"scenes": tiled}})
    assert "retrains: tiles changes from 1 to 2" in scenes.preview().succeeded().output
    scenes.configure(SCENES_CONFIG)


@pytest.mark.timeout(1_800)
def test_a_detector_from_the_stack_to_a_curl_that_works(scenes: Project, page: Page) -> None:
    model = scenes.outputs()["models"]["scenes"]["name"]
    journey = Journey.begin(scenes, page)
    journey.sign_in()
    expect(page.get_by_role("link", name=model).first).to_be_visible()
    journey.open_images("scenes-train", len(SCENES["train.json"]) + 2)
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

    picture = scenes.folder / "scenes" / "images" / "102.png"
    result = journey.try_picture("scenes", picture)
    boxes, rows = result.locator("rect.line"), result.get_by_role("list", name="Boxes").get_by_role("listitem")
    expect(boxes.first).to_be_visible()
    expect(rows).to_have_count(boxes.count())
    expect(rows.first).to_contain_text(re.compile(r"(disc|square)\s*\d+\.\d %"))
    assert journey.run_copied_curl(result, picture.parent)["objectsResult"]["values"]
