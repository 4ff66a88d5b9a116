"""The pages of datasets in a real browser: the grid, an image, and health, by keyboard, with pictures that are drawn."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.engine.studio.browser.watch import Watch
from tests.engine.studio.datasets.pictures import DrawnPictures
from tests.engine.studio.datasets.test_health import compared
from tests.engine.studio.datasets.test_image import NAMES, TAGS, estimate
from tests.support.api_world import World
from tests.support.coco_content import coco, read, register, url_of
from tests.support.waiting import wait_until
from vision_customization.contract.enums import AnnotationKind
from vision_customization.engine.blobs.address import BlobErrorKind
from vision_customization.engine.views.errors import PictureUnreadable

pytestmark = pytest.mark.browser

COUNT = 2000
AT_ONCE = 6
"""Requests that a browser sends to one host at a time, over HTTP/1.1."""

SignIn = Callable[..., None]


@pytest.fixture(scope="module")
def drawn() -> DrawnPictures:
    return DrawnPictures()


@pytest.fixture(autouse=True)
def nothing_asked(drawn: DrawnPictures) -> None:
    drawn.reset()


@pytest.fixture
def many(world: World, drawn: DrawnPictures) -> DrawnPictures:
    """`pets`: many images, of which every third has no tag."""
    names = [f"{number}.jpg" for number in range(COUNT)]
    register(world.store, "pets", coco({name: [["cat"], ["dog"], []][number % 3] for number, name in enumerate(names)}))
    read(world.store, *names)
    return drawn


@pytest.fixture
def shelf(world: World) -> None:
    boxes = [("cup", [0.1, 0.2, 0.3, 0.4]), ("fork", [0.5, 0.5, 0.2, 0.1])]
    register(world.store, "shelf", coco({"1.jpg": boxes, "2.jpg": boxes[:1]}), AnnotationKind.IMAGE_OBJECT_DETECTION)
    read(world.store, "1.jpg", "2.jpg")


def test_the_list_is_walked_by_keys(sign_in: SignIn, page: Page, address: str, many: DrawnPictures, world: World) -> None:
    world.register("other")
    sign_in(page)
    page.goto(f"{address}/studio/")
    page.keyboard.press("g")
    page.keyboard.press("d")
    page.wait_for_url("**/studio/datasets")
    page.keyboard.press("/")
    expect(page.get_by_label("Filter by name")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("link", name="other")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**/studio/datasets/pets")


def test_the_filter_narrows_the_list_while_one_types(sign_in: SignIn, page: Page, address: str, many: DrawnPictures) -> None:
    sign_in(page)
    page.goto(f"{address}/studio/datasets")
    page.get_by_label("Filter by name").press_sequentially("no such")
    expect(page.get_by_text("No dataset has “no such” in its name")).to_be_visible()
    page.get_by_label("Filter by name").fill("pet")
    expect(page.get_by_text("1 dataset with “pet” in the name")).to_be_visible()


def test_the_grid_holds_only_what_is_in_sight(sign_in: SignIn, page: Page, address: str, many: DrawnPictures) -> None:
    sign_in(page)
    page.goto(f"{address}/studio/datasets/pets")
    grid, cells = page.get_by_role("listbox", name="Images"), page.locator("#grid [role=option]")
    expect(page.get_by_role("option", name="0.jpg: cat", exact=True)).to_be_visible()
    expect(cells.first).to_have_attribute("aria-setsize", str(COUNT))
    assert cells.count() < 100
    grid.focus()
    page.keyboard.press("Control+End")
    expect(page.get_by_role("option", name=f"{COUNT - 1}.jpg: dog")).to_be_visible()
    assert cells.count() < 100
    expect(grid).to_have_attribute("aria-activedescendant", f"cell-{COUNT - 1}")
    page.get_by_label("Go to").fill("1001")
    page.keyboard.press("Enter")
    expect(page.get_by_role("option", name="1000.jpg: dog")).to_be_in_viewport()
    page.wait_for_timeout(500)
    assert len(many.asked) < 250, "pictures between the two ends were not asked for"
    page.keyboard.press("Enter")
    page.wait_for_url("**/pets/images/1000")
    page.keyboard.press("Escape")
    page.wait_for_url("**/pets?at=1000")
    expect(page.get_by_role("option", name="1000.jpg: dog")).to_be_in_viewport()


def test_pictures_in_sight_are_asked_for_before_those_around(
    sign_in: SignIn, page: Page, address: str, many: DrawnPictures
) -> None:
    sign_in(page)
    page.goto(f"{address}/studio/datasets/pets")
    waiting = page.locator("#grid .cell:not(.loaded)")
    expect(page.locator("#grid .cell.loaded").first).to_be_visible()
    expect(waiting).to_have_count(0)
    many.asked.clear()
    many.waiting = []
    page.get_by_label("Go to").fill("1001")
    page.keyboard.press("Enter")
    expect(page.get_by_role("option", name="1000.jpg: dog")).to_be_in_viewport()
    wait_until(lambda: len(many.asked) == AT_ONCE, "the browser asks for as many pictures as it does at a time", 10)
    for _, url, _ in list(many.asked):
        name = url.rpartition("/")[2]
        expect(page.locator(f"#grid .cell[title='{name}']")).to_be_in_viewport()
    page.goto("about:blank")  # nothing waits any more


def test_a_click_after_scrolling_opens_what_was_clicked(sign_in: SignIn, page: Page, address: str, many: DrawnPictures) -> None:
    sign_in(page)
    page.goto(f"{address}/studio/datasets/pets")
    expect(page.get_by_role("option", name="0.jpg: cat", exact=True)).to_be_visible()
    page.get_by_role("listbox", name="Images").hover()
    page.mouse.wheel(0, 5000)
    expect(page.get_by_role("option", name="0.jpg: cat", exact=True)).to_have_count(0)
    page.wait_for_timeout(700)
    bounds = page.get_by_role("listbox", name="Images").bounding_box()
    assert bounds is not None
    assert bounds["y"] + bounds["height"] <= 720, "the page has followed, so that the whole grid is in sight"
    page.mouse.move(bounds["x"] + 300, bounds["y"] + 250)
    under = page.locator("#grid .cell:hover")
    name = under.get_attribute("title")
    under.click(position={"x": 60, "y": 60})
    page.wait_for_url("**/pets/images/*")
    expect(page.get_by_role("heading", name=name or "", exact=True)).to_be_visible()


def test_a_selection_by_keyboard(sign_in: SignIn, page: Page, address: str, many: DrawnPictures) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    sign_in(page)
    page.goto(f"{address}/studio/datasets/pets?tag=cat")
    expect(page.get_by_role("option", name="0.jpg: cat", exact=True)).to_be_visible()
    page.get_by_role("listbox").focus()
    for key in ("ArrowRight", "Space", "Shift+ArrowRight", "Shift+ArrowRight", "Shift+ArrowLeft"):
        page.keyboard.press(key)
    expect(page.get_by_text("2 selected")).to_be_visible()
    assert page.locator("#grid [aria-selected=true]").count() == 2
    page.keyboard.press("c")
    expect(page.get_by_role("status")).to_have_text("Copied 2 names")
    assert page.evaluate("() => navigator.clipboard.readText()") == "3.jpg\n6.jpg"
    page.keyboard.press("Control+a")
    expect(page.get_by_text("667 selected")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#selection")).to_be_hidden()


def test_the_size_of_the_cells_is_kept(sign_in: SignIn, page: Page, address: str, many: DrawnPictures) -> None:
    sign_in(page)
    page.goto(f"{address}/studio/datasets/pets")
    first = page.get_by_role("option", name="0.jpg: cat", exact=True)
    expect(first).to_be_visible()
    before = first.bounding_box()
    page.get_by_label("Size").fill("320")
    page.reload()
    expect(first).to_be_visible()
    after = first.bounding_box()
    assert before is not None
    assert after is not None
    assert after["width"] > 1.4 * before["width"]


def test_boxes_and_objects(sign_in: SignIn, page: Page, address: str, shelf: None) -> None:
    sign_in(page)
    page.goto(f"{address}/studio/datasets/shelf")
    expect(page.locator(".cell.loaded rect")).to_have_count(3)
    page.keyboard.press("b")
    expect(page.locator(".cell rect").first).to_be_hidden()
    page.keyboard.press("b")
    page.get_by_label("Tag").fill("cup")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Each object alone").click()
    expect(page.locator("[role=option].loaded")).to_have_count(2)
    page.locator("#grid [role=option]").first.click()
    page.wait_for_url("**/images/0?tag=cup&crops=yes&at=0")
    expect(page.locator("#boxes rect")).to_have_count(2)
    page.keyboard.press("ArrowRight")
    page.wait_for_url("**/images/1?tag=cup&crops=yes&at=1")
    page.get_by_role("button", name="cup").focus()
    expect(page.locator("#boxes rect.chosen")).to_have_count(1)


def test_pictures_that_cannot_be_read_say_why(
    sign_in: SignIn, page: Page, address: str, shelf: None, drawn: DrawnPictures, watch: Watch
) -> None:
    watch.expect("Failed to load resource: the server responded with a status of 502")
    refusal = PictureUnreadable(BlobErrorKind.DENIED, "The SAS token of this dataset has expired.")
    drawn.refusals = {url_of("1.jpg"): refusal}
    sign_in(page)
    page.goto(f"{address}/studio/datasets/shelf/images/0")
    expect(page.get_by_role("alert")).to_have_text("The SAS token of this dataset has expired.")
    page.goto(f"{address}/studio/datasets/shelf")
    expect(page.get_by_role("alert")).to_contain_text("The SAS token of this dataset has expired.", timeout=20_000)
    expect(page.locator("[role=option].loaded")).to_have_count(1)


def test_findings_are_walked_and_accepted_by_keys(sign_in: SignIn, page: Page, address: str, world: World) -> None:
    register(world.store, "pets", coco({name: [TAGS[number % 2]] for number, name in enumerate(NAMES)}, tags=["Cat"]))
    read(world.store, *NAMES)
    estimate(world)
    sign_in(page)
    page.goto(f"{address}/studio/datasets/pets/health")
    expect(page.get_by_text("A worker is comparing the pictures")).to_be_visible()
    compared(world, "pets", ["a", "b", "a", None, None, None])
    expect(page.get_by_text("1 file is listed more than once")).to_be_visible()
    rows = page.locator(".findings [data-row]")
    count = rows.count()
    for _ in range(3):
        page.keyboard.press("j")
    page.keyboard.press("k")
    expect(rows.nth(1)).to_be_focused()
    page.keyboard.press("x")
    expect(page.get_by_text("Accepted: this is not shown again.")).to_be_visible()
    expect(rows).to_have_count(count - 1)
    page.get_by_role("button", name="Undo").click()
    page.wait_for_url("**/health/*")
    assert sum(len(world.store.accepted_findings.keys("pets", kind)) for kind in ("checker", "labels", "copies")) == 0
