"""A real browser for the tests of the Studio. A test fails at its end if its pages broke a rule of `watch.py`."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.engine.studio.browser.chromium import NOT_INSTALLED, find_chromium, running_chromium
from tests.engine.studio.browser.watch import Watch, settle
from tests.support.ci import IN_CI

TIMEOUT_MS = 10_000


@pytest.fixture(scope="module")  # while it runs, this thread has an event loop, which tests of other modules must not meet
def browser() -> Iterator[Browser]:
    """The machine's Chromium. Without one, tests skip, except in CI."""
    program = find_chromium()
    if program is None:
        if IN_CI:
            pytest.fail(NOT_INSTALLED)
        pytest.skip(NOT_INSTALLED)
    with running_chromium(program) as started:
        yield started


@pytest.fixture
def watch() -> Watch:
    """What happened on the test's pages that must not; `watch.expect(pattern)` for what the test provokes."""
    return Watch()


@pytest.fixture
def new_page(browser: Browser, watch: Watch, request: pytest.FixtureRequest) -> Iterator[Callable[..., Page]]:
    """Opens a watched page in a profile of its own. Takes the options of `Browser.new_context`, such as `viewport`."""
    assert request.node.get_closest_marker("browser"), "tests that use a browser are marked `browser`"
    contexts = []

    def open_page(**options: object) -> Page:
        context = browser.new_context(**options)  # type: ignore[arg-type]
        context.set_default_timeout(TIMEOUT_MS)
        watch.attach(context)
        contexts.append(context)
        return context.new_page()

    yield open_page
    try:
        for page in (page for context in contexts for page in context.pages):
            settle(page)
        watch.check()
    finally:
        for context in contexts:
            context.close()


@pytest.fixture
def page(new_page: Callable[..., Page]) -> Page:
    """A page that is watched."""
    return new_page()
