"""htmx under the Studio's policy: what pages need of it works, and markup that got into a page does nothing."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.engine.studio.browser.ground.strict_pages import (
    CONFIG,
    GATE,
    HTMX,
    HX_CSP,
    SCRIPTS,
    Answer,
    Request,
    StrictPages,
    document,
)
from tests.engine.studio.browser.watch import Watch

pytestmark = pytest.mark.browser

LAST = '<p hx-nonce="NONCE" hx-get="/last" hx-trigger="load">not yet</p>'
"""The last element of a page: what stands before it was wired up, and has sent its request, when this one says `done`."""


def test_polling_keeps_focus_and_what_was_typed_and_ends(site: StrictPages, page: Page) -> None:
    def progress(request: Request) -> str:
        polling = 'hx-get="/progress" hx-trigger="every 100ms" hx-swap="outerMorph"' if request.earlier < 4 else ""
        return (
            f'<section id="progress" hx-nonce="NONCE" {polling}><output>{request.earlier} steps</output>'
            '<form><input id="note" aria-label="Note" value=""><textarea id="text" aria-label="Text"></textarea></form>'
            f"<details><summary>More</summary>{'<i>new</i>' * request.earlier}</details></section>"
        )

    site.pages |= {"/": document(str(progress(Request(0, {})))), "/progress": progress}
    page.goto(f"{site.base}/")
    page.get_by_label("Text").fill("long")
    page.get_by_text("More").click()
    page.get_by_label("Note").fill("typed")
    page.evaluate("() => document.querySelector('#note').setSelectionRange(1, 3)")
    expect(page.locator("output")).to_have_text("4 steps")
    expect(page.get_by_label("Note")).to_be_focused()
    expect(page.get_by_label("Note")).to_have_value("typed")
    expect(page.get_by_label("Text")).to_have_value("long")
    assert page.evaluate("() => [document.activeElement.selectionStart, document.activeElement.selectionEnd]") == [1, 3]
    expect(page.locator("details")).to_have_attribute("open", "")
    page.wait_for_timeout(250)
    assert site.asked("/progress") == 5, "an answer without hx-get ends the polling"


def test_a_form_is_sent_and_its_refusal_shown_where_the_page_wants_it(site: StrictPages, page: Page, watch: Watch) -> None:
    site.pages |= {
        "/": document(
            '<form hx-nonce="NONCE" hx-post="/save" hx-target="#said" hx-status:422="target:#wrong">'
            '<input name="name" value="a b" aria-label="Name"><button>Save</button></form>'
            '<p id="said">-</p><p id="wrong">-</p><p id="other">-</p>'
        ),
        "/save": lambda request: [
            Answer("bad name", 422),
            Answer("<h1>an error page</h1>", 500),
            Answer('<b>saved</b><p id="other" hx-nonce="NONCE" hx-swap-oob="true">elsewhere</p>'),
        ][request.earlier],
    }
    page.goto(f"{site.base}/")
    save = page.get_by_role("button", name="Save")
    save.click()
    expect(page.locator("#wrong")).to_have_text("bad name")
    with page.expect_response("**/save"):
        save.click()
    save.click()
    expect(page.locator("#said")).to_have_text("saved")
    expect(page.locator("#other")).to_have_text("elsewhere")
    expect(page.locator("h1")).to_have_text("A page")
    assert site.requests[-1] == "POST /save name=a+b"
    watch.expect("console: Failed to load resource: .*422")
    watch.expect("console: Failed to load resource: .*500")


SENDS = 'hx-get="/injected" hx-trigger="load"'
INHERITED = '<div hx-action:inherited="/injected" hx-method:inherited="post" hx-vals:inherited="a:1">'
INJECTIONS = {
    "no nonce": (f"<p {SENDS}>x</p>", "hx-get, hx-trigger without the page's nonce"),
    "a guessed nonce": (f'<p hx-nonce="guess" {SENDS}>x</p>', "hx-nonce, hx-get, hx-trigger without"),
    "a nonce to inherit": (f'<div hx-nonce:inherited="NONCE"><p {SENDS}>x</p></div>', "hx-get, hx-trigger without"),
    "for elements behind it to inherit": (INHERITED, "hx-action:inherited, hx-method:inherited, hx-vals:inherited without"),
    "the other prefix": (f"<p {SENDS.replace('hx-', 'data-hx-')}>x</p>", None),
    "a handler": ("<p hx-on:click=\"fetch('/injected')\">press me</p>", "hx-on:click without"),
}


@pytest.mark.parametrize("kind", INJECTIONS)
def test_markup_that_got_into_content_is_inert(kind: str, site: StrictPages, page: Page, watch: Watch) -> None:
    """Once in the page, and once in a response that htmx puts into it."""
    injected, refusal = INJECTIONS[kind]
    content = f"<div>{injected}{LAST}</div>"
    part = '<div hx-nonce="NONCE" hx-get="/part" hx-trigger="load"></div>'
    site.pages |= {"/": document(f"{content}{part}"), "/part": content, "/injected": "<b>reached</b>"}
    page.goto(f"{site.base}/")
    expect(page.get_by_text("done")).to_have_count(2)
    for element in page.get_by_text("press me").all():
        element.click()
    assert site.asked("/injected") == 0, site.requests
    if refusal:
        watch.expect(f"console: htmx-gate: refused {refusal}")
        watch.expect("console: htmx-gate: refused ")


def test_the_same_markup_with_the_nonce_works(site: StrictPages, page: Page) -> None:
    """The tests above see that it is not sent: here it is."""
    site.pages |= {"/": document(f'<p hx-nonce="NONCE" {SENDS}>x</p>{LAST}'), "/injected": "<b>reached</b>"}
    page.goto(f"{site.base}/")
    expect(page.get_by_text("done")).to_be_visible()
    expect(page.get_by_text("reached")).to_be_visible()
    assert site.asked("/injected") == 1


def test_a_link_in_a_boosted_region_is_not_boosted_without_the_nonce(site: StrictPages, page: Page) -> None:
    site.pages |= {
        "/": document(
            '<div hx-nonce="NONCE" hx-boost:inherited="true"><a href="/own" hx-nonce="NONCE">own</a> '
            '<a href="/other">other</a></div>'
        ),
        "/own": document("<p>own page</p>"),
        "/other": document("<p>other page</p>"),
    }
    for name, boosted in (("own", True), ("other", False)):
        page.goto(f"{site.base}/")
        page.evaluate("() => { window.same = true }")
        page.get_by_text(name).click()
        expect(page.get_by_text(f"{name} page")).to_be_visible()
        assert bool(page.evaluate("() => window.same")) is boosted


@pytest.mark.parametrize(
    ("answer", "refusal"),
    [
        (Answer(f'<p hx-nonce="own" {SENDS}>x</p>', policy=None), "a response whose Content-Security-Policy has no nonce"),
        (
            Answer(
                '<meta http-equiv="Content-Security-Policy" content="script-src \'nonce-own\'">'
                f'<p hx-nonce="own" {SENDS}>x</p>',
                policy="default-src 'none'",
            ),
            "a response whose Content-Security-Policy has no nonce",
        ),
        (
            lambda request: f'<p hx-nonce="{request.query["nonce"]}" {SENDS}>x</p>',
            "hx-, hx-get, hx-trigger without the page's nonce",
        ),
        ('<b>fine</b><p id="other" hx-swap-oob="true">x</p>', "a swap of kind oob without the page's nonce"),
        ('<b>fine</b><hx-partial hx-target="#other">x</hx-partial>', "a swap of kind partial without the page's nonce"),
    ],
    ids=["no policy", "a policy of its own", "the page's nonce, stolen", "out of band", "partial"],
)
def test_a_response_has_no_more_than_its_own_nonce_allows(
    answer: str | Answer | Callable[[Request], str], refusal: str, site: StrictPages, page: Page, watch: Watch
) -> None:
    site.pages |= {
        "/": document(
            '<button hx-nonce="NONCE" hx-get="/part?nonce=NONCE" hx-target="#part">Get</button>'
            '<p id="part"></p><p id="other">as it was</p>'
        ),
        "/part": answer,
    }
    page.goto(f"{site.base}/")
    with page.expect_console_message(lambda message: f"htmx-gate: refused {refusal}" in message.text):
        page.get_by_role("button", name="Get").click()
    expect(page.locator("#other")).to_have_text("as it was")
    assert site.asked("/injected") == 0
    watch.expect(f"console: htmx-gate: refused {refusal}")


def tag(source: str, rest: str = "defer") -> str:
    return f'<script nonce="NONCE" src="{source}" {rest}></script>'


@pytest.mark.parametrize(
    ("scripts", "config", "fault"),
    [
        (SCRIPTS.replace(HX_CSP, "/static/missing.js"), CONFIG, "htmx-gate: refused to start: hx-csp did not load"),
        (SCRIPTS.replace(GATE, "/static/missing.js"), CONFIG, "Failed to load resource"),
        (SCRIPTS.replace(' nonce="NONCE"', ""), CONFIG, "htmx-gate: refused to start: the page's scripts have no nonce"),
        (SCRIPTS, CONFIG.replace(", gate", ""), "htmx-gate: refused to start: htmx-config does not list the extension `gate`"),
        (tag(GATE, 'type="module"') + tag(HTMX) + tag(HX_CSP), CONFIG, "uncaught: .*htmx is not defined"),
    ],
    ids=["no hx-csp", "no gate", "no nonce", "not in the configuration", "the wrong order"],
)
def test_without_its_gate_htmx_does_nothing(
    scripts: str, config: str, fault: str, site: StrictPages, page: Page, watch: Watch
) -> None:
    site.pages["/"] = document(f"<p {SENDS}>x</p>{LAST}", scripts=scripts, config=config)
    page.goto(f"{site.base}/")
    page.wait_for_timeout(200)
    assert [request for request in site.requests if "static" not in request and "favicon" not in request] == ["GET /"]
    watch.expect(fault)
    watch.expect("^(console|uncaught): ")
