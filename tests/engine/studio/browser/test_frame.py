"""The frame of every page in a real browser: signed in by a link, clean under its policy, with htmx at work."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.support.api_world import World

pytestmark = pytest.mark.browser


def test_home_follows_what_runs(sign_in: Callable[..., None], page: Page, world: World) -> None:
    sign_in(page)
    expect(page.get_by_role("heading", name="Home")).to_be_visible()
    assert page.evaluate("() => location.hash") == "", "the code is not left in the address"
    assert world.register().status_code == 201
    assert world.create("leaves").status_code == 201
    expect(page.get_by_role("progressbar", name="Progress of leaves")).to_be_visible()


def test_who_is_not_signed_in_is_at_the_field_for_the_key(address: str, page: Page) -> None:
    page.goto(f"{address}/studio/")
    expect(page.get_by_label("Key of the engine")).to_be_focused()
