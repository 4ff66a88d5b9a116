"""Each page with data in a real browser: accessible in light and dark, and as wide as a phone."""

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from playwright.sync_api import Page, expect

from tests.engine.studio.browser.axe import axe_violations
from tests.support.api_world import KEYS, World
from tests.support.every_page import ADDRESSES, fill, open_world, routes_without_address
from toolchain.browser.screenshots import SCHEMES, WIDTHS
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import Store

pytestmark = pytest.mark.browser

SEEN_BY_NOBODY = ("", "sign-in")
"""Pages that look otherwise to somebody who is not signed in."""


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    settings = Settings.from_environment({}, data_dir=tmp_path_factory.mktemp("filled"), keys=KEYS)
    with closing(Store.open(settings)) as store:
        world = open_world(settings, store)
        fill(world)
        yield world


@pytest.fixture
def world(filled: World) -> World:
    """Not emptied: these tests only look."""
    return filled


def test_each_page_is_looked_at() -> None:
    assert routes_without_address() == set()


def looked_at(page: Page, url: str) -> None:
    answer = page.goto(url)
    assert answer is not None
    assert answer.status == 200
    page.wait_for_load_state("networkidle")
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        assert axe_violations(page) == [], scheme
    page.set_viewport_size({"width": WIDTHS["narrow"][0], "height": WIDTHS["narrow"][1]})
    assert page.evaluate("() => document.documentElement.scrollWidth") <= WIDTHS["narrow"][0]
    assert axe_violations(page) == [], "on a phone"


@pytest.mark.parametrize("path", ADDRESSES)
def test_a_page_is_accessible_and_fits_a_phone(sign_in: Callable[..., None], page: Page, address: str, path: str) -> None:
    sign_in(page)
    looked_at(page, f"{address}/studio/{path}")


@pytest.mark.parametrize("path", SEEN_BY_NOBODY)
def test_the_sign_in_is_accessible_and_fits_a_phone(page: Page, address: str, path: str) -> None:
    looked_at(page, f"{address}/studio/{path}")
