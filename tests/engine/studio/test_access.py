"""Who may open which page, and what a page of another origin can do: nothing."""

import re

import pytest

from tests.support.api_world import World
from tests.support.studio import ORIGIN, Browser
from vision_customization.contract.studio import Role
from vision_customization.engine.studio.pages import PAGES
from vision_customization.engine.studio.routing import Page

PUBLIC = {
    ("GET", "/sign-in"),
    ("POST", "/sign-in"),
    ("POST", "/sign-out"),
    ("GET", "/sign-in/microsoft"),
    ("GET", "/sign-in/microsoft/done"),
}
"""What somebody who is not signed in may ask for."""


def path_of(page: Page) -> str:
    return re.sub(r"\{[a-z_]+(:[a-z]+)?\}", "1", page.path).lstrip("/")


def identity(page: Page) -> str:
    return f"{page.method} {page.path}"


def test_what_everybody_may_ask_for() -> None:
    assert {(page.method, page.path) for page in PAGES if page.role is None} == PUBLIC


def test_each_page_has_one_answer() -> None:
    known = [(page.method, page.path) for page in PAGES]
    assert len(known) == len(set(known))


@pytest.mark.parametrize("page", [page for page in PAGES if page.role is not None], ids=identity)
def test_nobody_opens_a_page_without_its_role(world: World, page: Page) -> None:
    anonymous = Browser(world)
    answer = anonymous.get(path_of(page)) if page.method == "GET" else anonymous.post(path_of(page))
    assert answer.status_code == (303 if page.method == "GET" else 401)
    for role in Role:
        visitor = Browser(world).sign_in(role)
        answer = visitor.get(path_of(page)) if page.method == "GET" else visitor.post(path_of(page))
        assert page.role is not None
        if role.includes(page.role):
            assert answer.status_code not in (401, 403, 500), answer.text
        else:
            assert answer.status_code == 403
            assert f"This needs the role {page.role}" in answer.text


@pytest.mark.parametrize("page", [page for page in PAGES if page.method == "POST"], ids=identity)
@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},  # another port of this machine
        {"sec-fetch-site": "none"},
        {"sec-fetch-site": "", "origin": "null"},
        {"sec-fetch-site": "", "origin": "http://127.0.0.1:8081"},
        {"sec-fetch-site": "", "origin": "https://evil.example"},
        {"sec-fetch-site": "", "origin": ""},
    ],
    ids=lambda headers: " ".join(f"{name}={value}" for name, value in headers.items()),
)
def test_pages_of_other_origins_change_nothing(world: World, page: Page, headers: dict[str, str]) -> None:
    owner = Browser(world).sign_in()
    assert owner.post(path_of(page), **headers).status_code == 403
    assert owner.get("").status_code == 200  # neither is the visitor signed out


def test_browsers_without_fetch_metadata_are_known_by_their_origin(owner: Browser) -> None:
    answer = owner.post("sign-out", **{"sec-fetch-site": "", "origin": ORIGIN})
    assert answer.status_code == 303


def test_a_forged_principal_of_a_proxy_is_ignored(browser: Browser) -> None:
    answer = browser.get("", **{"x-ms-client-principal": "eyJyb2xlcyI6WyJvd25lciJdfQ==", "x-ms-client-principal-name": "eve"})
    assert answer.status_code == 303


def test_a_session_is_no_key_of_the_api(owner: Browser) -> None:
    answer = owner.get("/computervision/models?api-version=2023-04-01-preview")
    assert answer.status_code == 401


def test_an_ended_session_is_told_to_scripts(browser: Browser) -> None:
    answer = browser.get("activity", **{"hx-request": "true"})
    assert (answer.status_code, answer.headers["hx-redirect"]) == (401, "/studio/sign-in")


def test_each_answer_has_the_policy(owner: Browser) -> None:
    nonces = set()
    for path in ("", "models", "sign-in", "nowhere", "static/0/nowhere.css"):
        answer = owner.get(path)
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self' 'nonce-")
        assert "require-trusted-types-for 'script'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["x-content-type-options"] == "nosniff"
        nonces.add(policy.partition("'nonce-")[2].partition("'")[0])
    assert len(nonces) == 5


def test_static_files_are_kept_for_good_under_their_version(browser: Browser) -> None:
    page = browser.get("sign-in").text
    [address] = re.findall(r'href="(/studio/static/[0-9a-f]+/studio\.css)"', page)
    assert browser.get(address).headers["cache-control"] == "public, max-age=31536000, immutable"
    assert browser.get("static/0/studio.css").headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("name", ["../application.py", "..%2f..%2fapplication.py", "studio.py", "", "nothing.css", "vendor"])
def test_only_static_files_are_served(browser: Browser, name: str) -> None:
    assert browser.get(f"static/0/{name}").status_code == 404


def test_a_long_form_is_refused(owner: Browser) -> None:
    assert owner.post("sign-in", {"key": "x" * 70_000}).status_code == 413
