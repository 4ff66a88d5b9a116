"""A new user's way from pictures without labels to a published model, and from there into the stack's file."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from playwright.sync_api import Page, expect

from tests.engine.jobs.scenes import TAGS, drawn_scene
from tests.engine.studio.browser.axe import axe_violations
from tests.engine.studio.browser.journey import SLOW_MS, Journey, stack_for_a_test
from tests.engine.studio.browser.pointing import at, drag, drop_files
from tests.stacks.project import Project
from tests.stacks.shapes import draw
from vision_customization.customization.client.client import VisionClient
from vision_customization.customization.resources.takeover import TAKEN_OVER

pytestmark = [pytest.mark.ci, pytest.mark.stack, pytest.mark.process, pytest.mark.browser]

SHAPES = ("circle", "square")
PICTURES_PER_SHAPE = 10
TRAINING_MS = 900_000
"""A detector learns for minutes where other tests run beside it."""
Box = tuple[float, float, float, float]
NEW_BOX: Box = (0.375, 0.375, 0.25, 0.25)
"""Where the editor adds a box by keyboard."""
SIDE, PICTURES_PER_WAY = 240, 2
OWNER = "pulumi:vision-customization/local"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A stack that declares nothing yet: only the engine and blob storage."""
    with stack_for_a_test(tmp_path_factory.mktemp("stack"), {"platform": "local"}) as project:
        project.up().succeeded()
        yield project


@pytest.fixture
def client(stack: Project) -> Iterator[VisionClient]:
    outputs = stack.outputs()
    with VisionClient(outputs["endpoint"], outputs["key"]) as client:
        yield client


def begin_dataset(page: Page, name: str, kind: str, tags: tuple[str, ...], files: list[Path]) -> None:
    """New dataset, by the link on Home's list of datasets. The pictures are dropped, and have come."""
    page.get_by_role("navigation").get_by_role("link", name="Datasets").first.click()
    page.get_by_role("link", name="New dataset").first.click()
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_role("radio", name=kind).check()
    page.get_by_label("Tags, if you know them already").fill("\n".join(tags))
    page.get_by_role("button", name="Create, and add pictures").click()
    page.wait_for_url(f"**/drafts/{name}/import")
    drop_files(page, "#drop", files)
    page.get_by_role("button", name="Add").click()
    expect(page.locator("#summary")).to_have_text(
        f"{len(files)} files: {len(files)} added, 0 known, 0 refused", timeout=SLOW_MS
    )
    assert axe_violations(page) == []


def shown_picture(page: Page, before: str | None) -> str:
    """The file name of the picture to label, once it is another one than before."""
    heading = page.locator("#image-name")
    expect(heading).not_to_have_text(before or "")
    expect(page.locator("#stage")).not_to_have_class("stage loading")
    return heading.inner_text()


def save_version(page: Page, endpoint: str, name: str) -> str:
    """Save a version of a draft. Returns the digest."""
    page.goto(f"{endpoint}/studio/drafts/{name}")
    page.get_by_role("link", name="Save a version").click()
    page.get_by_role("button", name="Save the version").click()
    expect(page.get_by_text(f"Saved. The dataset {name} has this content.")).to_be_visible(timeout=SLOW_MS)
    assert axe_violations(page) == []
    return page.locator("#digest").inner_text().removeprefix("sha256:")


def downloaded_coco(page: Page) -> Any:  # noqa: ANN401 - a document
    with page.expect_download() as download:
        page.get_by_role("link", name="COCO file").click()
    return json.loads(Path(download.value.path()).read_text("utf-8"))


def train(page: Page) -> str:
    """Train from the version that is shown, with what the page proposes. Returns the model's name."""
    page.get_by_role("button", name="Train a model").click()
    expect(page.locator("#estimate")).to_contain_text("Will probably take", timeout=SLOW_MS)
    assert axe_violations(page) == []
    name = page.get_by_label("Name of the model").input_value()
    page.get_by_role("button", name="Train", exact=True).click()
    page.wait_for_url(f"**/models/{name}")
    expect(page.locator(".head .status")).to_have_text("succeeded", timeout=TRAINING_MS)
    return name


def copied_yaml(page: Page) -> dict[str, Any]:
    """The part of a stack's file that the page shows."""
    page.locator("#code summary").click()
    page.get_by_role("button", name="Copy YAML").click()
    expect(page.get_by_text("Copied", exact=True).last).to_be_attached()
    pasted: dict[str, Any] = yaml.safe_load(page.evaluate("() => navigator.clipboard.readText()"))
    return pasted


def paste(stack: Project, pasted: dict[str, Any]) -> None:
    """Put a part of a stack's file, as it is, beside what the file says already."""
    file = stack.folder / "stacks" / f"Pulumi.{stack.stack}.yaml"
    written = yaml.safe_load(file.read_text("utf-8"))
    for section, declared in pasted["config"].items():
        written["config"][section] = {**written["config"].get(section, {}), **declared}
    file.write_text(yaml.safe_dump(written, sort_keys=False), "utf-8")


def publish(page: Page, endpoint: str, model: str, name: str) -> None:
    """Publish a model under the name that its page proposes. It ends on the name's page."""
    page.goto(f"{endpoint}/studio/models/{model}")
    expect(page.get_by_label("Name", exact=True)).to_have_value(name)
    page.get_by_label("Gate of the name").select_option(label="no gate")
    page.get_by_role("button", name="Publish").click()
    page.wait_for_url(f"**/studio/published/{name}*")  # the browser keeps the form's fragment
    assert axe_violations(page) == []


def take_over(stack: Project, client: VisionClient, pasted: dict[str, Any], name: str, model: str, digest: str) -> None:
    """Declare what the Studio made, and deploy it: the stack owns it then, and nothing was trained, uploaded or changed."""
    before = {each.name: (each.created_date_time, each.artifact) for each in client.list_models()}
    paste(stack, pasted)
    assert TAKEN_OVER in words(stack.preview().succeeded().output)
    assert TAKEN_OVER in words(stack.up().succeeded().output)
    stack.preview("--expect-no-changes").succeeded()
    stack.refresh("--preview-only", "--expect-no-changes").succeeded()
    outputs = stack.outputs()
    assert (outputs["datasets"][name]["digest"], outputs["models"][name]["name"]) == (digest, model)
    assert {each.name: (each.created_date_time, each.artifact) for each in client.list_models()} == before
    published = client.get_published_model(name)
    assert published.model_name == model
    assert [client.get_model(model).managed_by, published.managed_by, owner_of_dataset(client, name)] == [OWNER] * 3


def owner_of_dataset(client: VisionClient, name: str) -> str:
    return (client.get_dataset(name).custom_properties or {})["managedBy"]


def words(text: str) -> str:
    return " ".join(text.split())


def test_from_pictures_without_labels_to_a_model_that_the_stack_takes_over(
    stack: Project, client: VisionClient, page: Page, tmp_path: Path
) -> None:
    shapes = {f"photo-{number:02}.png": SHAPES[number % 2] for number in range(len(SHAPES) * PICTURES_PER_SHAPE)}
    for number, (file_name, shape) in enumerate(shapes.items()):
        draw(shape, number).save(tmp_path / file_name)
    journey = Journey.begin(stack, page)
    journey.sign_in()
    begin_dataset(page, "shapes", "One tag", SHAPES, [tmp_path / name for name in shapes])

    page.get_by_role("link", name="Label").last.click()
    name = None
    for _ in shapes:
        name = shown_picture(page, name)
        page.keyboard.press(str(1 + SHAPES.index(shapes[name])))
    expect(page.locator("#progress-text")).to_have_text(f"{len(shapes)} of {len(shapes)} labelled")
    expect(page.locator("#save-state")).to_contain_text("Saved")
    assert axe_violations(page) == []

    digest = save_version(page, journey.endpoint, "shapes")
    coco = downloaded_coco(page)
    tags = {each["id"]: each["name"] for each in coco["categories"]}
    labels = {each["image_id"]: tags[each["category_id"]] for each in coco["annotations"]}
    assert {each["file_name"]: labels[each["id"]] for each in coco["images"]} == shapes

    model = train(page)
    journey.open_judge(model)
    result = journey.try_picture(model, tmp_path / "photo-00.png")
    expect(result.locator(".scores")).to_contain_text("circle")
    publish(page, journey.endpoint, model, "shapes")
    take_over(stack, client, copied_yaml(page), "shapes", model, digest)


Scenes = dict[str, dict[str, Box]]
"""The boxes of each picture's objects, by their tag."""


def box_by_mouse(page: Page, tag: str, box: Box) -> None:
    drag(page, (box[0], box[1]), (box[0] + box[2], box[1] + box[3]))
    page.keyboard.press(str(1 + TAGS.index(tag)))


def box_by_touch(page: Page, tag: str, box: Box) -> None:
    page.touchscreen.tap(*at(page, (box[0], box[1])))
    page.touchscreen.tap(*at(page, (box[0] + box[2], box[1] + box[3])))
    page.locator("#tags").get_by_role("button", name=tag).tap()


def box_by_keyboard(page: Page, tag: str, box: Box) -> None:
    """Add a box, which comes in the middle, move it, and resize it."""
    page.keyboard.press("n")
    page.keyboard.press(str(1 + TAGS.index(tag)))
    for modifier, start, end in (("", NEW_BOX[:2], box[:2]), ("Shift+", NEW_BOX[2:], box[2:])):
        for side, (less, more) in enumerate((("ArrowLeft", "ArrowRight"), ("ArrowUp", "ArrowDown"))):
            pixels = round((end[side] - start[side]) * SIDE)
            for key, times in zip(("Alt+", ""), divmod(abs(pixels), 10), strict=True):
                for _ in range(times):
                    page.keyboard.press(f"{key}{modifier}{more if pixels > 0 else less}")


def label_pictures(
    page: Page, scenes: Scenes, count: int, draw_box: Callable[[Page, str, Box], None], go_on: Callable[[Page], None]
) -> None:
    """Draw the boxes of the next pictures, from the page of the draft."""
    page.get_by_role("link", name="Go on labelling").click()
    expect(page.locator("#label")).to_have_attribute("data-ready", "yes")
    name = None
    for _ in range(count):
        name = shown_picture(page, name)
        for number, (tag, box) in enumerate(scenes[name].items(), 1):
            draw_box(page, tag, box)
            expect(page.locator("#box-list li")).to_have_count(number)
        go_on(page)
    expect(page.locator("#save-state")).to_contain_text("Saved")
    assert axe_violations(page) == []


@pytest.mark.timeout(1_800)
def test_boxes_by_mouse_touch_and_keyboard_to_a_detector_that_the_stack_takes_over(
    stack: Project, client: VisionClient, new_page: Callable[..., Page], page: Page, tmp_path: Path
) -> None:
    scenes: Scenes = {}
    for seed in range(3 * PICTURES_PER_WAY):
        data, boxes = drawn_scene(seed, SIDE)
        scenes[f"scene-{seed}.png"] = {tag: (box[0], box[1], box[2], box[3]) for tag, box in zip(TAGS, boxes, strict=True)}
        (tmp_path / f"scene-{seed}.png").write_bytes(data)
    journey = Journey.begin(stack, page)
    journey.sign_in()
    begin_dataset(page, "scenes", "Boxes", TAGS, [tmp_path / name for name in scenes])
    draft = f"{journey.endpoint}/studio/drafts/scenes"

    phone = new_page(has_touch=True, viewport={"width": 390, "height": 844}, is_mobile=True)
    Journey.begin(stack, phone).sign_in()
    for used, draw_box, go_on in (
        (page, box_by_mouse, lambda page: page.keyboard.press("Enter")),
        (phone, box_by_touch, lambda page: page.get_by_role("button", name="Accept, next").tap()),
        (page, box_by_keyboard, lambda page: page.keyboard.press("Enter")),
    ):
        used.goto(draft)
        label_pictures(used, scenes, PICTURES_PER_WAY, draw_box, go_on)
    page.goto(draft)
    expect(page.locator("[data-count=unlabelled]")).to_have_text("0")
    for image in client.draft_images("scenes").value:
        drawn = {label.tag: label.bbox for label in image.labels}
        assert drawn.keys() == scenes[image.file_name].keys()
        for tag, box in scenes[image.file_name].items():
            assert drawn[tag] == pytest.approx(box, abs=0.01), (image.file_name, tag)

    digest = save_version(page, journey.endpoint, "scenes")
    assert len(downloaded_coco(page)["annotations"]) == len(scenes) * len(TAGS)

    model = train(page)
    journey.open_judge(model)
    result = journey.try_picture(model, tmp_path / "scene-0.png")
    expect(result.get_by_role("list", name="Boxes")).to_contain_text("square")
    publish(page, journey.endpoint, model, "scenes")
    take_over(stack, client, copied_yaml(page), "scenes", model, digest)
