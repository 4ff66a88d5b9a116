"""axe-core on a page: what keeps people from using it who do not see it, or use no mouse."""

import json
from typing import Any

from playwright.sync_api import Page

from toolchain.places import find_places
from toolchain.programs.npm_package import unpack
from toolchain.programs.studio_checks import AXE

GRAVE = ("serious", "critical")


def axe_violations(page: Page) -> list[str]:
    """The serious and critical violations, one a line: rule, what to do, and the nodes as selector and HTML.

    The script is evaluated over the devtools protocol, which the page's policy does not concern.

    Raises:
        ToolchainError: axe-core is not in the cache and can't be downloaded.
    """
    session = page.context.new_cdp_session(page)
    try:
        if not _evaluate(session, "Boolean(globalThis.axe)"):
            script = (unpack(AXE, find_places()) / "axe.min.js").read_text("utf-8")
            _evaluate(session, script + "; 0")
        found = json.loads(_evaluate(session, "axe.run(document, {resultTypes: ['violations']}).then(JSON.stringify)"))
    finally:
        session.detach()
    return [_described(violation) for violation in found["violations"] if violation["impact"] in GRAVE]


def _evaluate(session: Any, expression: str) -> Any:  # noqa: ANN401 - what the page answers
    answer = session.send("Runtime.evaluate", {"expression": expression, "awaitPromise": True, "returnByValue": True})
    assert "exceptionDetails" not in answer, answer["exceptionDetails"]
    return answer["result"].get("value")


def _described(violation: dict[str, Any]) -> str:
    nodes = "".join(f"\n  {' '.join(map(str, node['target']))}: {node['html']}" for node in violation["nodes"])
    return f"{violation['impact']}: {violation['id']}: {violation['help']}{nodes}"
