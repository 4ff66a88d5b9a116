"""A real browser for the tests of the Studio. A test fails at its end if its pages broke a rule of `watch.py`."""

import threading
from collections.abc import Callable, Iterator

import pytest
import uvicorn
from playwright.sync_api import Browser, Page

from tests.engine.studio.browser.watch import Watch, settle
from tests.support.api_world import World
from tests.support.ci import IN_CI
from tests.support.waiting import wait_until
from toolchain.browser.chromium import NOT_INSTALLED, find_chromium, running_chromium
from vision_customization.contract.studio import Role
from vision_customization.engine.runtime.listening import listening

TIMEOUT_MS = 10_000


@pytest.fixture(scope="module")  # while it runs, this thread has an event loop, which tests of other modules must not meet
def chromium() -> Iterator[Browser]:
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
def new_page(chromium: Browser, watch: Watch, request: pytest.FixtureRequest) -> Iterator[Callable[..., Page]]:
    """Opens a watched page in a profile of its own. Takes the options of `Browser.new_context`, such as `viewport`."""
    assert request.node.get_closest_marker("browser"), "tests that use a browser are marked `browser`"
    contexts = []

    def open_page(**options: object) -> Page:
        context = chromium.new_context(**options)  # type: ignore[arg-type]
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


@pytest.fixture
def address(world: World) -> Iterator[str]:
    """The address of the world's application, served on loopback."""
    with listening("127.0.0.1", 0) as listener:
        running = uvicorn.Server(uvicorn.Config(world.call.app, log_config=None, access_log=False, lifespan="off"))
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            wait_until(lambda: running.started, "the application listens", 10)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            running.should_exit = True
            thread.join()


@pytest.fixture
def sign_in(world: World, address: str) -> Callable[..., None]:
    """Signs the profile of a page in, by a one-time code, as the form of the sign-in does. The page shows nothing yet."""

    def sign_in_as(page: Page, role: Role = Role.OWNER, who: str = "a key") -> None:
        code, _ = world.store.sessions.issue_code(role, who, None)
        answer = page.context.request.post(
            f"{address}/studio/sign-in", form={"code": code}, headers={"Sec-Fetch-Site": "same-origin"}
        )
        assert answer.url == f"{address}/studio/", "it leads to Home, and not back to the sign-in"

    return sign_in_as
