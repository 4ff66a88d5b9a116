"""Markup in the names of tags and files, in a real browser: nothing of it runs, loads or asks (see `../test_attacks.py`)."""

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from playwright.sync_api import Page, Request, expect

from tests.engine.studio.test_attacks import MARKUP
from tests.support.api_world import KEYS, World
from tests.support.every_page import ADDRESSES, fill, open_world
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import Store

pytestmark = pytest.mark.browser

AREAS = sorted({address.partition("?")[0].partition("/")[0] for address in ADDRESSES})


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    settings = Settings.from_environment({}, data_dir=tmp_path_factory.mktemp("marked"), keys=KEYS)
    with closing(Store.open(settings)) as store:
        world = open_world(settings, store)
        fill(world, MARKUP)
        yield world


@pytest.fixture
def world(marked: World) -> World:
    """Not emptied: these tests only look."""
    return marked


@pytest.mark.parametrize("area", AREAS, ids=lambda area: area or "home")
def test_names_that_are_markup_do_nothing(sign_in: Callable[..., None], page: Page, address: str, area: str) -> None:
    """Each page with the names on it; the fixture `page` fails at a violation of the policy, too."""
    asked: list[str] = []
    dialogs: list[str] = []

    def note(request: Request) -> None:
        if request.url.endswith(("/x", "/sign-out")):
            asked.append(request.url)

    page.on("request", note)
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    sign_in(page)
    paths = [path for path in ADDRESSES if path.partition("?")[0].partition("/")[0] == area]
    for path in paths:
        page.goto(f"{address}/studio/{path}")
        page.wait_for_load_state("networkidle")
        assert page.locator("img[src=x], [hx-get='/studio/sign-out'], [onerror]").count() == 0, path
    page.goto(f"{address}/studio/")
    expect(page.get_by_role("heading", name="Home")).to_be_visible()  # still signed in
    assert (asked, dialogs) == ([], [])
