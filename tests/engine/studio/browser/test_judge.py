"""Judge in a real browser: the threshold by slider and keys, tables that are sorted and searched, pictures, two models."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.engine.studio.browser.watch import Watch
from tests.support.api_world import World
from tests.support.judged import DrawnPictures, train_judged
from vision_customization.contract.judging import OutcomeKind
from vision_customization.contract.studio import Role

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def drawn() -> DrawnPictures:
    return DrawnPictures()


@pytest.fixture
def judged(world: World, sign_in: Callable[..., None], page: Page) -> World:
    """Models of each kind, and a page that is signed in as a reader."""
    for name, kind in (("m", OutcomeKind.ONE_TAG), ("tags", OutcomeKind.SEVERAL_TAGS), ("boxes", OutcomeKind.OBJECTS)):
        train_judged(world, name, kind)
    sign_in(page, Role.READER)
    return world


def test_the_threshold_is_moved_by_keys(judged: World, address: str, page: Page) -> None:
    page.goto(f"{address}/studio/models/m/judge")
    said = page.locator("#at .said")
    expect(said).to_contain_text("From a confidence of 0.50 on")
    circle = page.locator(".marker circle")
    before = circle.get_attribute("cx")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    expect(page.locator("[data-value]")).to_have_text("0.61")
    assert circle.get_attribute("cx") != before, "the point moves before the engine has answered"
    expect(said).to_contain_text("From a confidence of 0.61 on")
    expect(page).to_have_url(re.compile(r"threshold=0\.61"))
    page.keyboard.press("]")
    expect(said).to_contain_text("the model answers 'ash' for")
    page.keyboard.press("[")
    page.keyboard.press("[")
    expect(said).to_contain_text("the model answers 'öak' for")
    expect(page.get_by_label("Tag", exact=True)).to_have_value("öak")
    page.reload()
    expect(said).to_contain_text("From a confidence of 0.61 on, the model answers 'öak'")
    slider = page.get_by_role("slider", name="Threshold")
    slider.focus()
    page.keyboard.press("ArrowLeft")
    expect(slider).to_have_value("0.6")
    expect(said).to_contain_text("From a confidence of 0.60 on")


def test_the_point_is_where_the_engine_counts(judged: World, address: str, page: Page) -> None:
    """The script moves the point along the curve; the engine, which counts all answers, then puts it within a pixel of it."""
    page.goto(f"{address}/studio/models/boxes/judge")
    circle = page.locator(".marker circle")
    for _ in range(3):
        before = page.locator("#at .said").inner_text()
        page.keyboard.press("Shift+ArrowRight")
        moved = float(circle.get_attribute("cx") or 0), float(circle.get_attribute("cy") or 0)
        expect(page.locator("#at .said")).not_to_have_text(before)
        counted = float(circle.get_attribute("cx") or 0), float(circle.get_attribute("cy") or 0)
        assert counted == pytest.approx(moved, abs=4)


def test_tags_are_sorted_and_the_matrix_opens_its_pictures(judged: World, address: str, page: Page) -> None:
    page.goto(f"{address}/studio/models/m/judge")
    table = page.get_by_role("region", name="Tags")
    table.get_by_role("link", name="Recall").click()
    expect(table.get_by_role("columnheader", name="Recall")).to_have_attribute("aria-sort", "ascending")
    table.get_by_role("link", name="Recall").click()
    expect(table.get_by_role("columnheader", name="Recall")).to_have_attribute("aria-sort", "descending")
    mistake = page.get_by_role("region", name="Confusion matrix").get_by_role("link", name=re.compile("ash called beech"))
    count = int(mistake.inner_text())
    mistake.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("ash called beech")
    pictures = page.locator("ul.shots img")
    expect(pictures).to_have_count(count)
    expect(pictures.first).not_to_have_js_property("naturalWidth", 0)
    pictures.first.click()
    expect(page.get_by_role("heading", name="Wrong")).to_be_visible()
    place = page.get_by_role("navigation", name="Pictures").locator("span").first
    told = place.inner_text()
    page.keyboard.press("ArrowRight")
    expect(place).not_to_have_text(told)


def test_more_pictures_come_below_and_have_the_focus(judged: World, address: str, page: Page) -> None:
    page.goto(f"{address}/studio/models/m/outcomes/-")
    expect(page.locator("li.shot")).to_have_count(60)
    page.get_by_role("link", name="90 more").click()
    expect(page.locator("li.shot")).to_have_count(120)
    expect(page.locator("li.shot a").nth(60)).to_be_focused()


def test_a_picture_that_is_not_ready_is_asked_for_again(judged: World, address: str, page: Page, watch: Watch) -> None:
    watch.expect("status of 503")
    page.route(re.compile("thumbnail"), lambda route: route.fulfill(status=503), times=1)
    page.goto(f"{address}/studio/models/m/outcomes/-?only=missed&tag=ash")
    for picture in page.locator("ul.shots img").all()[:3]:
        picture.scroll_into_view_if_needed()
        expect(picture).not_to_have_js_property("naturalWidth", 0)


def test_two_models_on_the_same_images(judged: World, address: str, page: Page) -> None:
    train_judged(judged, "n", seed=1)
    page.goto(f"{address}/studio/models/m/compare")
    page.get_by_label("With the model").select_option("n")
    page.get_by_role("button", name="Compare").click()
    expect(page.locator(".said")).to_contain_text("two equally good models would differ")
    choices = page.get_by_role("navigation", name="Which pictures")
    page.wait_for_load_state()  # its scripts then know the keys
    page.keyboard.press("2")
    expect(choices.get_by_role("link", name="Only n is right")).to_have_attribute("aria-current", "page")
    page.keyboard.press("1")
    expect(choices.get_by_role("link", name="Only m is right")).to_have_attribute("aria-current", "page")
