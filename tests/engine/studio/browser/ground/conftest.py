"""Tests that keep nothing in their page share one, since a new one takes longer than most of them."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.engine.studio.browser.ground.strict_pages import StrictPages, serving_strict_pages
from tests.engine.studio.browser.watch import Watch, settle


@pytest.fixture(scope="module")
def module_watch() -> Watch:
    return Watch()


@pytest.fixture(scope="module")
def module_page(chromium: Browser, module_watch: Watch) -> Iterator[Page]:
    context = chromium.new_context()
    module_watch.attach(context)
    yield context.new_page()
    context.close()


@pytest.fixture
def watch(module_watch: Watch) -> Watch:
    module_watch.reset()
    return module_watch


@pytest.fixture
def page(module_page: Page, watch: Watch) -> Iterator[Page]:
    yield module_page
    settle(module_page)
    watch.check()
    module_page.goto("about:blank")  # no later request of this page is counted in the next test


@pytest.fixture
def site() -> Iterator[StrictPages]:
    with serving_strict_pages() as served:
        served.pages["/last"] = "<b>done</b>"
        yield served
