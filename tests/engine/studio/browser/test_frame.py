"""The frame of every page in a real browser: signed in by a link, clean under its policy, accessible, with htmx at work."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.engine.studio.browser.axe import axe_violations
from tests.support.api_world import World
from toolchain.browser.screenshots import SCHEMES

pytestmark = pytest.mark.browser


def test_home_is_accessible_and_follows_what_runs(sign_in: Callable[..., None], page: Page, world: World) -> None:
    sign_in(page)
    expect(page.get_by_role("heading", name="Home")).to_be_visible()
    assert page.evaluate("() => location.hash") == "", "the code is not left in the address"
    assert world.register().status_code == 201
    assert world.create("leaves").status_code == 201
    expect(page.get_by_role("progressbar", name="Progress of leaves")).to_be_visible()
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        assert axe_violations(page) == []


def test_the_sign_in_is_accessible(address: str, page: Page) -> None:
    page.goto(f"{address}/studio/")
    expect(page.get_by_label("Key of the engine")).to_be_focused()
    assert axe_violations(page) == []
