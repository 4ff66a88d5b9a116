"""What to label next, and many images at once that are alike, in a real browser. The test stands for the worker."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.engine.studio.browser.axe import axe_violations
from tests.engine.studio.browser.test_label import saved, shows, stored
from tests.engine.studio.datasets.pictures import DrawnPictures
from tests.support.api_world import World
from tests.support.draft_vectors import stored_vectors
from vision_customization.contract.enums import AnnotationKind
from vision_customization.contract.studio import Role
from vision_customization.engine.store.draft_records import NewDraftImage
from vision_customization.engine.studio.pages import draft_images

pytestmark = pytest.mark.browser

ROW = {0: (0.0, 0), 1: (1.0, 0), 2: (2.0, 0), 3: (3.0, 0), 4: (10.0, 0), 5: (11.0, 0)}
"""The most typical one is 2, then 4, then 0."""

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def drawn() -> DrawnPictures:
    return DrawnPictures()


@pytest.fixture
def opened(world: World, address: str, sign_in: Callable[..., None], page: Page) -> Open:
    """Opens an address below a draft `d` of six images, as a labeler."""
    world.store.drafts.create("d", AnnotationKind.IMAGE_CLASSIFICATION, "d", world.container.url, "ada", tags=["cat", "dog"])
    images = [NewDraftImage(f"{number + 1:064x}", ".png", f"{number}.png", 640, 480) for number in range(6)]
    world.store.drafts.add("d", images, "ada")
    sign_in(page, Role.LABELER, "ben")

    def open_page(path: str) -> Page:
        page.goto(f"{address}/studio/drafts/d{path}")
        return page

    return open_page


def labels(page: Page) -> Page:
    expect(page.locator("#label")).to_have_attribute("data-ready", "yes")
    return page


def test_the_most_useful_images_are_labelled_first_by_keys(opened: Open, world: World) -> None:
    stored_vectors(world, "d", ROW)
    page = labels(opened("/label"))
    shows(page, "0.png")
    with page.expect_response("**/label/next"):
        page.get_by_label("Next").select_option("the most useful first")
    page.locator("#stage").focus()
    page.keyboard.press("x")  # 0.png is skipped
    for name, key in (("2.png", "1"), ("4.png", "2")):
        shows(page, name)
        page.keyboard.press(key)
    expect(page.locator("#progress-text")).to_have_text("2 of 6 labelled")
    page.keyboard.press("ArrowLeft")
    shows(page, "4.png")
    page.keyboard.press("ArrowLeft")
    shows(page, "2.png")
    saved(page)
    assert stored(world) == {2: ["cat"], 4: ["dog"]}
    assert axe_violations(page) == []
    page = labels(opened("/label"))
    assert "order=useful" in page.url, "the choice is remembered"
    page.get_by_label("Next").select_option("as in the grid")
    page.locator("#stage").focus()
    page.keyboard.press("1")
    shows(page, "1.png")
    assert "order=useful" not in page.url


def test_all_images_are_labelled_in_this_order_and_those_that_were_skipped_come_again(opened: Open, world: World) -> None:
    stored_vectors(world, "d", ROW)
    page = labels(opened("/label?order=useful"))
    shows(page, "2.png")
    page.keyboard.press("x")
    expect(page.locator("#image-name")).not_to_have_text("2.png")
    for left in reversed(range(6)):
        expect(page.locator("#stage")).not_to_have_class("stage loading")
        name = page.locator("#image-name").text_content()
        page.keyboard.press("1")
        if left:
            expect(page.locator("#image-name")).not_to_have_text(name or "")
    expect(page.locator("#said")).to_have_text("All images are labelled.")
    saved(page)
    assert sorted(stored(world)) == list(range(6))


def test_until_the_engine_has_looked_the_order_is_that_of_the_grid_and_the_page_says_so(opened: Open, world: World) -> None:
    page = labels(opened("/label?order=useful"))
    shows(page, "0.png")
    expect(page.locator("#order-told")).to_contain_text("The engine is looking at the images: 0 of 6 images done.")
    page.keyboard.press("1")
    shows(page, "1.png")
    assert axe_violations(page) == []
    stored_vectors(world, "d", ROW)
    expect(page.locator("#order-told")).to_have_text("")
    page.keyboard.press("x")
    shows(page, "4.png")


def test_images_that_are_alike_are_found_and_labelled_at_once(opened: Open, world: World) -> None:
    page = labels(opened("/label?number=5"))
    shows(page, "5.png")
    page.keyboard.press("m")
    expect(page.get_by_role("heading", name="The engine is looking at the images")).to_be_visible()
    assert axe_violations(page) == []
    stored_vectors(world, "d", ROW)
    page.wait_for_url("**/drafts/d?like=5")
    grid = page.get_by_role("listbox", name="Images")
    expect(grid.get_by_role("option").first).to_have_attribute("aria-label", "5.png: no tag, new")
    expect(grid.get_by_role("option").nth(1)).to_have_attribute("aria-label", "4.png: no tag, new")
    assert axe_violations(page) == []
    grid.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("2")
    expect(page.locator("#work-text")).to_contain_text("“dog”: 2 images changed")
    assert stored(world) == {4: ["dog"], 5: ["dog"]}
    page.get_by_role("link", name="Only those without labels").click()
    expect(grid.get_by_role("option").first).to_have_attribute("aria-label", "3.png: no tag, new")
    page.keyboard.press("Escape")
    grid.focus()
    page.keyboard.press("End")
    page.keyboard.press("m")
    page.wait_for_url("**/drafts/d?like=0")


def test_all_that_are_alike_are_not_all_of_the_draft(opened: Open, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draft_images, "BATCH_IMAGES_MAX", 2)  # more are changed by one request, if a filter selects them
    stored_vectors(world, "d", {number: at for number, at in ROW.items() if number not in (0, 2)})
    page = opened("?like=5")
    grid = page.get_by_role("listbox", name="Images")
    expect(grid.get_by_role("option")).to_have_count(4)
    grid.focus()
    page.keyboard.press("Control+a")
    page.keyboard.press("2")
    expect(page.locator("#work-text")).to_contain_text("“dog”: 4 images changed")
    assert stored(world) == {1: ["dog"], 3: ["dog"], 4: ["dog"], 5: ["dog"]}
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    expect(page.locator("#work-text")).to_contain_text("4 images removed from the draft")
    assert world.store.drafts.find("d").images == 2
