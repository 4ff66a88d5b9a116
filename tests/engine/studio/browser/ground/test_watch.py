"""That the browser tests can fail: each fault of a page is caught, and what is right passes."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.engine.studio.browser.axe import axe_violations
from tests.engine.studio.browser.ground.strict_pages import StrictPages, document
from tests.engine.studio.browser.watch import Watch, settle
from toolchain.browser.screenshots import screenshots
from toolchain.programs.icon_sprite import ICONS

pytestmark = pytest.mark.browser


def show(site: StrictPages, page: Page, body: str) -> None:
    site.pages["/"] = document(body)
    page.goto(f"{site.base}/")


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ('<p style="color: red">red</p>', r"policy: style-src-attr blocked inline"),
        ("<style>p {color: red}</style>", r"policy: style-src-elem blocked inline"),
        ("<script>alert(1)</script>", r"policy: script-src-elem blocked inline"),
        ('<p onclick="alert(1)">press</p>', r"policy: script-src-attr blocked inline"),
        ('<script nonce="NONCE">eval("1")</script>', r"policy: require-trusted-types-for blocked trusted-types-sink 'eval\|1'"),
        ('<script nonce="NONCE">document.body.innerHTML = "x"</script>', r"blocked trusted-types-sink 'Element innerHTML\|x'"),
        ('<script nonce="NONCE">trustedTypes.createPolicy("own", {})</script>', r"policy: trusted-types blocked"),
        ('<img alt="" src="http://192.0.2.1/a.png">', r"policy: img-src blocked http://192\.0\.2\.1/a\.png"),
        ('<img alt="" src="/missing.png">', r"console: Failed to load resource: .*404"),
        ('<script nonce="NONCE">console.error("wrong")</script>', r"console: wrong"),
        ('<script nonce="NONCE">throw new Error("oops")</script>', r"uncaught: .*oops"),
    ],
)
def test_a_fault_of_a_page_fails_the_test(body: str, fault: str, site: StrictPages, page: Page, watch: Watch) -> None:
    show(site, page, body)
    settle(page)
    with pytest.raises(AssertionError, match=fault):
        watch.check()
    watch.expect(fault)
    watch.expect("^(policy|console|uncaught|request): ")  # also what the browser itself reports in the console


def test_what_is_expected_must_happen(site: StrictPages, page: Page, watch: Watch) -> None:
    show(site, page, "<p>fine</p>")
    watch.check()
    never = Watch()
    never.expect("never")
    with pytest.raises(AssertionError, match=r"expected and did not happen: \['never'\]"):
        never.check()


@pytest.mark.parametrize("host", ["studio.example.com", "192.0.2.1", "[2001:db8::1]"])
def test_nothing_but_loopback_is_reached(host: str, page: Page, watch: Watch) -> None:
    """A page without any policy, so that the browser itself refuses."""
    answer = page.evaluate(
        "(url) => fetch(url, {mode: 'no-cors'}).then(() => 'reached', (error) => error.name)", f"http://{host}/"
    )
    assert answer == "TypeError"
    watch.expect(rf"request: http://{host.replace('[', '.').replace(']', '.')}/")
    watch.expect("console: Failed to load resource: net::ERR_NAME_NOT_RESOLVED")


def test_axe_finds_what_is_wrong_under_the_policy(site: StrictPages, page: Page) -> None:
    show(site, page, '<p>fine</p><button type="button">Save</button>')
    assert axe_violations(page) == []
    show(site, page, '<img src="/static/vendor/icons.svg"><button type="button"></button>')
    found = axe_violations(page)
    assert {violation.split(": ")[1] for violation in found} == {"image-alt", "button-name"}
    assert any('<button type="button"></button>' in violation for violation in found), "each violation shows its nodes"


def test_screenshots_are_of_both_schemes_and_widths(site: StrictPages, page: Page, tmp_path: Path) -> None:
    show(site, page, "<p>fine</p>")
    before = page.viewport_size
    files = screenshots(page, "home", tmp_path)
    sizes = {}
    for file in files:
        with Image.open(file) as picture:
            sizes[file.name] = picture.width
    assert sizes == {
        "home-light-wide.png": 1280,
        "home-dark-wide.png": 1280,
        "home-light-narrow.png": 390,
        "home-dark-narrow.png": 390,
    }
    assert page.viewport_size == before


def test_every_icon_is_drawn(site: StrictPages, page: Page) -> None:
    icons = "".join(
        f'<svg width="20" height="20" role="img" aria-label="{name}"><use href="/static/vendor/icons.svg#{name}"/></svg>'
        for name in ICONS
    )
    show(site, page, icons)
    expect(page.locator("svg")).to_have_count(len(ICONS))
    widths = page.evaluate("() => [...document.querySelectorAll('use')].map((use) => use.getBBox().width)")
    assert [name for name, width in zip(ICONS, widths, strict=True) if not 3 < width <= 20] == []


def test_pages_of_one_test_have_profiles_of_their_own(site: StrictPages, new_page: Callable[..., Page]) -> None:
    one, other = new_page(), new_page(color_scheme="dark")
    show(site, one, "<p>fine</p>")
    show(site, other, "<p>fine</p>")
    one.evaluate("() => localStorage.setItem('a', '1')")
    assert other.evaluate("() => localStorage.getItem('a')") is None
    assert [page.evaluate("() => matchMedia('(prefers-color-scheme: dark)').matches") for page in (one, other)] == [False, True]
