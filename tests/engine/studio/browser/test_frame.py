"""The frame of every page in a real browser: signed in by a link, clean under its policy, with htmx at work."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.engine.studio.browser.watch import Watch
from tests.support.api_world import World
from vision_customization.contract.studio import Role

pytestmark = pytest.mark.browser


def test_home_follows_what_runs(page: Page, world: World, address: str) -> None:
    code, _ = world.store.sessions.issue_code(Role.OWNER, "a key", None)
    page.goto(f"{address}/studio/sign-in#code={code}")
    page.wait_for_url(f"{address}/studio/")
    expect(page.get_by_role("heading", name="Home")).to_be_visible()
    assert page.evaluate("() => location.hash") == "", "the code is not left in the address"
    assert world.register().status_code == 201
    assert world.create("leaves").status_code == 201
    expect(page.get_by_role("progressbar", name="Progress of leaves")).to_be_visible()


def test_a_link_to_the_code_opens_it(sign_in: Callable[..., None], page: Page, world: World, address: str) -> None:
    world.train("leaves-1")
    world.store.published.publish("leaves", "leaves-1", managed_by="pulumi:photos/dev")
    sign_in(page)
    code = page.get_by_role("tabpanel", name="YAML")
    page.goto(f"{address}/studio/published/leaves")
    expect(code).to_be_hidden()
    link = page.get_by_role("link", name="Show the YAML")
    for _ in range(2):  # the second time, the address has the hash already
        link.click()
        expect(code).to_be_visible()
        page.locator("#code > summary").click()
        expect(code).to_be_hidden()
    page.goto(f"{address}/studio/models#code")
    expect(code).to_be_in_viewport()
    expect(page.locator("#code")).to_contain_text("export VISION_KEY=$(pulumi stack output key --show-secrets)")
    page.locator("#code > summary").click()
    page.evaluate("() => { location.hash = ''; location.hash = '#code'; }")
    expect(code).to_be_visible()


def test_a_publication_that_is_refused_is_seen_in_its_form(
    sign_in: Callable[..., None], page: Page, world: World, address: str, watch: Watch
) -> None:
    watch.expect("status of 400")
    world.train("leaves-1")
    sign_in(page)
    page.goto(f"{address}/studio/models/leaves-1")
    page.get_by_label("Name", exact=True).fill("leaves")
    page.get_by_label("Threshold of the gate").fill("0.9")
    page.get_by_role("button", name="Publish").click()
    expect(page.get_by_role("alert")).to_be_in_viewport()
    expect(page.get_by_role("alert")).to_contain_text("The threshold 0.9 has no metric.")
    expect(page.get_by_label("Threshold of the gate")).to_have_value("0.9")
    page.get_by_label("Gate of the name").select_option("accuracyTop1, at least")
    page.get_by_label("Threshold of the gate").fill("0.4")
    page.get_by_role("button", name="Publish").click()
    expect(page).to_have_url(re.compile("/studio/published/leaves"))


def test_the_keys_of_a_page_are_those_that_it_has(sign_in: Callable[..., None], page: Page, world: World, address: str) -> None:
    sign_in(page)
    page.goto(f"{address}/studio/")
    filters = page.get_by_role("dialog").get_by_text("filter", exact=True)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    expect(filters).to_be_hidden()
    assert world.register().status_code == 201
    page.goto(f"{address}/studio/datasets")
    page.keyboard.press("?")
    expect(filters).to_be_visible()


def test_the_code_says_how_to_get_the_key(sign_in: Callable[..., None], page: Page, address: str) -> None:
    sign_in(page)
    page.goto(f"{address}/studio/")
    page.get_by_text("Code", exact=True).click()
    command = page.get_by_text("export VISION_KEY=$(pulumi stack output key --show-secrets)")
    expect(command).to_be_visible()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy how to set VISION_KEY").click()
    assert page.evaluate("() => navigator.clipboard.readText()") == command.inner_text()


def test_who_is_not_signed_in_is_at_the_field_for_the_key(address: str, page: Page) -> None:
    page.goto(f"{address}/studio/")
    expect(page.get_by_label("Key of the engine")).to_be_focused()
