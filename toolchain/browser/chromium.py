"""The machine's own Chromium, which the tests drive; no browser is ever downloaded."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

NOT_INSTALLED = "Chromium is not installed: neither chromium nor google-chrome is on PATH (`make browser` installs it)"

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
_OPTIONS = (
    # Every name and address but loopback's is unknown, also to the browser's own services.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost, EXCLUDE [::1]",
    # /dev/shm is small in containers.
    "--disable-dev-shm-usage",
)


def find_chromium() -> str | None:
    return next((found for name in _PROGRAMS if (found := shutil.which(name))), None)


@contextmanager
def running_chromium(program: str) -> Iterator[Browser]:
    """A headless browser. Playwright starts it without a sandbox: root has none, and the tests load only their own pages."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(_OPTIONS))
        try:
            yield browser
        finally:
            browser.close()
