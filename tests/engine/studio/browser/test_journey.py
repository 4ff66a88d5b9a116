"""A new user's way through the Studio, on what `pulumi up` made: the real engine, Azurite and Chromium."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.engine.studio.browser.axe import axe_violations
from tests.stacks.processes import processes_in
from tests.stacks.project import VENV_BIN, Project
from tests.support.places import CHECKOUT

pytestmark = [pytest.mark.ci, pytest.mark.stack, pytest.mark.process, pytest.mark.browser]

TEXTILE = CHECKOUT / "examples" / "textile"
CONFIG = {
    "platform": "local",
    "datasets": {
        f"textile-{part}": {"annotationKind": "imageClassification", "annotationFiles": [f"{part}.json"], "source": "textile"}
        for part in ("train", "test")
    },
    "models": {"textile": {"trainingDataset": "textile-train", "evaluationDataset": "textile-test", "publish": True}},
}
SLOW_MS = 60_000


def copy_part(folder: Path, name: str, images_per_tag: int, wrong: int) -> str:
    """Copy the first images of each tag, and give the first `wrong` of them the last tag. Returns the name of the first."""
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
    first = names[kept[0]["image_id"]]
    number = {image["id"]: index for index, image in enumerate(images, 1)}  # a dataset's ids have no gaps
    images = [{**image, "id": number[image["id"]]} for image in images]
    kept = [{**each, "id": index, "image_id": number[each["image_id"]]} for index, each in enumerate(kept, 1)]
    (folder / name).write_text(json.dumps({**document, "images": images, "annotations": kept}))
    return first


@pytest.fixture
def project(tmp_path: Path) -> Iterator[tuple[Project, str]]:
    """A stack of which one training image has a wrong label, and that image's name."""
    wrong = copy_part(tmp_path / "textile", "train.json", 30, wrong=1)
    copy_part(tmp_path / "textile", "test.json", 12, wrong=0)
    project = Project.create(tmp_path, CONFIG)
    yield project, wrong
    project.destroy().succeeded()
    assert processes_in(tmp_path) == []


def test_from_the_stack_to_a_curl_that_works(project: tuple[Project, str], page: Page, tmp_path: Path) -> None:
    stack, wrong = project
    stack.up().succeeded()
    outputs = stack.outputs()
    model, key, studio = outputs["models"]["textile"]["name"], outputs["key"], outputs["studio"]
    assert studio == f"{outputs['endpoint']}/studio/"

    # `vision studio` prints what it would open: signed in by a one-time code.
    asked = subprocess.run(
        [VENV_BIN / "vision", "studio", "--print", "--endpoint", outputs["endpoint"]],
        env={**stack.environment, "VISION_KEY": key},
        capture_output=True,
        text=True,
        check=True,
    )
    page.goto(asked.stdout.strip())
    page.wait_for_url(studio)
    expect(page.get_by_role("link", name=model).first).to_be_visible()
    assert axe_violations(page) == []

    # The images of the dataset.
    page.goto(f"{studio}datasets/textile-train")
    cells = page.get_by_role("option")
    expect(cells.first).to_be_visible(timeout=SLOW_MS)
    expect(cells.first).to_have_attribute("aria-setsize", "90")
    assert axe_violations(page) == []

    # Its health names the image whose label is wrong.
    page.get_by_role("link", name="Health").click()
    issues = page.locator("section", has=page.get_by_role("heading", name="Likely wrong labels"))
    finding = issues.get_by_role("listitem").filter(has_text=Path(wrong).name)
    expect(finding).to_be_visible(timeout=SLOW_MS)
    finding.get_by_role("link").last.click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()

    # The model, its threshold, and a cell of its matrix.
    page.goto(f"{studio}models/{model}")
    page.get_by_role("link", name="Judge").click()
    slider = page.get_by_role("slider", name="Threshold")
    said = page.locator("#at .said")
    before = said.inner_text()
    slider.focus()
    for _ in range(20):
        slider.press("ArrowRight")
    expect(said).not_to_have_text(before)
    page.locator("table.matrix a").first.click()
    expect(page.get_by_role("img").first).to_be_visible(timeout=SLOW_MS)

    # A picture of one's own, and the curl for it.
    picture = next((tmp_path / "textile" / "images" / "nominal").iterdir())
    page.goto(f"{studio}try?model=textile")
    page.locator("#files").set_input_files(picture)
    result = page.locator("#results > li").first
    expect(result.get_by_text("nominal").first).to_be_visible(timeout=SLOW_MS)
    assert axe_violations(page) == []
    code = page.locator("#results pre, details.code pre").filter(has_text="curl").first
    command = str(code.text_content())
    assert key not in page.content()
    assert "$VISION_KEY" in command
    shutil.copy(picture, tmp_path / "photo.jpg")
    called = subprocess.run(
        ["bash", "-c", re.sub(r"@\S+", "@photo.jpg", command)],
        cwd=tmp_path,
        env={**stack.environment, "VISION_KEY": key, "no_proxy": "127.0.0.1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "tagsResult" in json.loads(called.stdout)["customModelResult"]
