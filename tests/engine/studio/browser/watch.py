"""What must not happen on any page: violations of the policy, errors in the console, and requests that leave the machine."""

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Page

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_LISTEN = """
addEventListener("securitypolicyviolation", ({ effectiveDirective, blockedURI, sample, sourceFile, lineNumber }) =>
  reportViolation({ effectiveDirective, blockedURI, sample, sourceFile, lineNumber }), true);
"""


@dataclass
class Watch:
    """Collects the faults of all pages of the contexts that it is attached to, in order."""

    faults: list[str] = field(default_factory=list)
    _expected: list[str] = field(default_factory=list)

    def attach(self, context: BrowserContext) -> None:
        """Watch every page of a context from its first script on."""
        context.expose_binding("reportViolation", lambda _, found: self._violation(found))
        context.add_init_script(_LISTEN)
        context.on("console", self._console)
        context.on("weberror", lambda found: self.faults.append(f"uncaught: {found.error}"))
        context.on("request", lambda request: self._request(request.url))
        context.on("page", lambda page: page.on("websocket", lambda socket: self._request(socket.url)))

    def reset(self) -> None:
        """Forget what happened, and what was expected."""
        self.faults.clear()
        self._expected.clear()

    def expect(self, pattern: str) -> None:
        """Faults that match this regular expression are what the test is about; without one, the test fails."""
        self._expected.append(pattern)

    def check(self) -> None:
        """Raises AssertionError for each fault that was not expected, and each that was expected and did not come."""
        unexpected = [fault for fault in self.faults if not any(re.search(pattern, fault) for pattern in self._expected)]
        missed = [pattern for pattern in self._expected if not any(re.search(pattern, fault) for fault in self.faults)]
        assert not unexpected, "on the pages of this test:\n" + "\n".join(unexpected)
        assert not missed, f"expected and did not happen: {missed}"

    def _violation(self, found: dict[str, Any]) -> None:
        where = f"{found['sourceFile']}:{found['lineNumber']}"
        self.faults.append(f"policy: {found['effectiveDirective']} blocked {found['blockedURI']} {found['sample']!r} ({where})")

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.faults.append(f"console: {message.text}")

    def _request(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.hostname not in _LOOPBACK:
            self.faults.append(f"request: {url}")


def settle(page: Page) -> None:
    """Wait until the page has told everything that happened so far."""
    page.evaluate("() => new Promise((resolve) => setTimeout(resolve))")
