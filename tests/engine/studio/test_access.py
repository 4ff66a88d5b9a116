"""Who may open which page, and what a page of another origin can do: nothing."""

import re

import httpx
import pytest

from tests.support.api_world import KEYS, World, image_bytes
from tests.support.every_page import VERSIONS, fill
from tests.support.studio import ORIGIN, Browser
from vision_customization.contract.studio import Role
from vision_customization.engine.studio.pages import PAGES
from vision_customization.engine.studio.routing import Page

ROLES: dict[Role | None, set[str]] = {
    None: {
        "GET /sign-in",
        "POST /sign-in",
        "POST /sign-out",
        "GET /sign-in/microsoft",
        "GET /sign-in/microsoft/done",
    },
    Role.READER: {
        "GET /",
        "GET /activity",
        "GET /datasets",
        "GET /datasets/{name}",
        "GET /datasets/{name}/cells",
        "GET /datasets/{name}/health",
        "GET /datasets/{name}/health/pictures",
        "GET /datasets/{name}/health/{section}",
        "GET /datasets/{name}/images/{position}",
        "GET /datasets/{name}/images/{position}/answer",
        "GET /datasets/{name}/images/{position}/crop",
        "GET /datasets/{name}/images/{position}/thumbnail",
        "GET /datasets/{name}/images/{position}/view",
        "GET /datasets/{name}/state",
        "GET /datasets/{name}/tags",
        "GET /datasets/{name}/versions",
        "GET /datasets/{name}/versions/{digest}",
        "GET /datasets/{name}/versions/{digest}/annotations",
        "GET /drafts",
        "GET /drafts/{draft}",
        "GET /drafts/{draft}/conflicts",
        "GET /drafts/{draft}/counts",
        "GET /drafts/{draft}/images",
        "GET /drafts/{draft}/images/{number}",
        "GET /drafts/{draft}/images/{number}/suggestion",
        "GET /drafts/{draft}/images/{number}/thumbnail",
        "GET /drafts/{draft}/images/{number}/view",
        "GET /drafts/{draft}/merged",
        "GET /drafts/{draft}/save",
        "GET /drafts/{draft}/tags",
        "GET /drafts/{draft}/label",
        "GET /drafts/{draft}/label/images",
        "GET /drafts/{draft}/label/next",
        "GET /drafts/{draft}/like/{number}",
        "GET /drafts/{draft}/import",
        "GET /models",
        "GET /models/{name}",
        "GET /models/{name}/compare",
        "GET /models/{name}/evaluations",
        "GET /models/{name}/judge",
        "GET /models/{name}/judge/matrix",
        "GET /models/{name}/judge/tags",
        "GET /models/{name}/judge/threshold",
        "GET /models/{name}/model.onnx",
        "GET /models/{name}/outcomes/{source}",
        "GET /models/{name}/outcomes/{source}/tags",
        "GET /models/{name}/outcomes/{source}/{row:int}",
        "GET /models/{name}/outcomes/{source}/{row:int}/thumbnail",
        "GET /models/{name}/outcomes/{source}/{row:int}/view",
        "GET /models/{name}/progress",
        "GET /new",
        "GET /novel",
        "GET /novel/{sha256}/thumbnail",
        "GET /published/{name}",
        "GET /try",
        "GET /try/model",
        "POST /datasets/{name}/health/compare",
        "POST /sign-out-everywhere",
        "POST /try",
        "POST /try/code",
        "POST /try/planogram",
        "POST /try/products",
    },
    Role.LABELER: {
        "GET /drafts/{draft}/delete",
        "GET /drafts/{draft}/tags/change",
        "GET /try/drafts",
        "POST /drafts",
        "POST /drafts/{draft}/change",
        "POST /drafts/{draft}/conflicts",
        "POST /drafts/{draft}/delete",
        "POST /drafts/{draft}/merge",
        "POST /drafts/{draft}/save",
        "POST /drafts/{draft}/tags",
        "POST /drafts/{draft}/tags/delete",
        "POST /drafts/{draft}/tags/rename",
        "POST /drafts/{draft}/known",
        "POST /drafts/{draft}/labels",
        "POST /drafts/{draft}/pictures",
        "POST /drafts/{draft}/remove",
        "POST /novel/bring",
        "POST /novel/delete",
        "POST /drafts/{draft}/restore",
        "POST /datasets/{name}/findings",
    },
    Role.OWNER: {
        "GET /train",
        "GET /train/estimate",
        "POST /datasets/{name}/versions/{digest}/train",
        "POST /models/{name}/cancel",
        "POST /models/{name}/delete",
        "POST /models/{name}/dismiss",
        "POST /models/{name}/evaluate",
        "POST /models/{name}/publish",
        "POST /published/{name}/roll-back",
        "POST /published/{name}/unpublish",
        "POST /train",
    },
}
"""The least role that may ask for each route; None is everybody, signed in or not."""

CHANGES: dict[str, tuple[str, dict[str, str] | bytes]] = {
    "/sign-in": ("sign-in", {"key": KEYS[0]}),
    "/sign-out": ("sign-out", {}),
    "/sign-out-everywhere": ("sign-out-everywhere", {}),
    "/datasets/{name}/health/compare": ("datasets/pets/health/compare", {}),
    "/datasets/{name}/findings": ("datasets/pets/findings", {"finding": "labels", "key": "ab" * 32}),
    "/datasets/{name}/versions/{digest}/train": (f"datasets/pets/versions/{VERSIONS[0]}/train", {}),
    "/drafts": ("drafts", {"name": "new", "kind": "imageClassification", "tags": "cat"}),
    "/drafts/{draft}/change": ("drafts/labels/change", b'{"action": "clear"}'),
    "/drafts/{draft}/conflicts": ("drafts/labels/conflicts", {"number": "0", "take": "theirs", "eTag": "3"}),
    "/drafts/{draft}/delete": ("drafts/empty/delete", {}),
    "/drafts/{draft}/merge": ("drafts/kept/merge", {}),
    "/drafts/{draft}/save": ("drafts/boxes/save", {"message": "new"}),
    "/drafts/{draft}/tags": ("drafts/labels/tags", {"name": "new"}),
    "/drafts/{draft}/tags/delete": ("drafts/labels/tags/delete", {"tag": "cat"}),
    "/drafts/{draft}/tags/rename": ("drafts/labels/tags/rename", {"tag": "cat", "name": "new"}),
    "/drafts/{draft}/known": ("drafts/labels/known", b'{"digests": ["' + b"0" * 64 + b'"]}'),
    "/drafts/{draft}/pictures": ("drafts/labels/pictures?fileName=new.png", image_bytes()),
    "/drafts/{draft}/labels": ("drafts/labels/labels", b'{"images": [{"number": 0, "labels": []}]}'),
    "/drafts/{draft}/remove": ("drafts/labels/remove", b'{"numbers": [0]}'),
    "/drafts/{draft}/restore": ("drafts/labels/restore", b'{"numbers": [0]}'),
    "/models/{name}/cancel": ("models/running/cancel", {}),
    "/models/{name}/delete": ("models/none/delete", {}),
    "/models/{name}/dismiss": ("models/failed/dismiss", {}),
    "/models/{name}/evaluate": ("models/m/evaluate", {"dataset": "unread"}),
    "/models/{name}/publish": ("models/m/publish", {"new": "fresh", "metric": "none"}),
    "/novel/bring": ("novel/bring", {"draft": "labels", f"image-{'ab' * 32}": "1"}),
    "/novel/delete": ("novel/delete", {f"image-{'ab' * 32}": "1"}),
    "/published/{name}/roll-back": ("published/textile/roll-back", {}),
    "/published/{name}/unpublish": ("published/textile/unpublish", {}),
    "/train": ("train", {"name": "new", "dataset": "pets", "kind": "Generic-Classifier", "hours": "1"}),
    "/try": ("try?model=m", {}),
    "/try/products": ("try/products?model=shelves", {}),
    "/try/planogram": ("try/planogram", {}),
    "/try/code": ("try/code", {"model": "m"}),
}
"""For each route of a change: an address, and a form or JSON that an engine filled by `every_page.fill` accepts."""

COMPUTES = {"/sign-in", "/sign-out", "/sign-out-everywhere", "/datasets/{name}/health/compare"} | {
    "/drafts/{draft}/known", "/try", "/try/products", "/try/planogram", "/try/code"
}  # fmt: skip
"""Routes of `CHANGES` that change nothing but who is signed in, or compute something from what they are sent."""


def path_of(page: Page) -> str:
    return re.sub(r"\{[a-z_]+(:[a-z]+)?\}", "1", page.path).lstrip("/")


def send(browser: Browser, address: str, form: dict[str, str] | bytes, **headers: str) -> httpx.Response:
    """Send a form, or JSON as a script does."""
    if isinstance(form, dict):
        return browser.post(address, form, **headers)
    return browser.post(address, content=form, **{"content-type": "application/json", "accept": "application/json", **headers})


def identity(page: Page) -> str:
    return f"{page.method} {page.path}"


def test_each_route_has_the_role_that_it_should_have() -> None:
    """A new route is denied to all until it is in the table."""
    known = {role: {identity(page) for page in PAGES if page.role is role} for role in ROLES}
    assert known == ROLES
    assert {page.path for page in PAGES if page.method == "POST"} == set(CHANGES)


def test_only_pages_and_static_files_are_served(owner: Browser) -> None:
    assert {page.method for page in PAGES} == {"GET", "POST"}
    for path in ("nowhere", "models/m/nothing", "static", "openapi.json", "docs", "healthz"):
        assert owner.get(path).status_code == 404
    for method in ("PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"):
        answer = owner.world.call(method, f"{ORIGIN}/studio/models/m", version=None, key=None)
        assert answer.status_code == 405
        assert "access-control-allow-origin" not in answer.headers
    assert owner.world.call("HEAD", f"{ORIGIN}/studio/models", version=None, key=None).status_code == 401


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


@pytest.mark.parametrize("path", sorted(set(CHANGES) - COMPUTES))
def test_a_change_is_made_by_its_role_alone(world: World, path: str) -> None:
    fill(world)
    address, form = CHANGES[path]
    [least] = [page.role for page in PAGES if (page.method, page.path) == ("POST", path)]
    assert least is not None
    for role in Role:
        if not role.includes(least):
            assert send(Browser(world).sign_in(role), address, form).status_code == 403
    if role_is := [role for role in Role if role.includes(least)]:
        answer = send(Browser(world).sign_in(role_is[0]), address, form)
        done = (200, 201) if isinstance(form, bytes) else (303,)
        assert answer.status_code in done, f"an attack with this form would prove nothing: {answer.text}"


def test_browsers_without_fetch_metadata_are_known_by_their_origin(owner: Browser) -> None:
    answer = owner.post("sign-out", **{"sec-fetch-site": "", "origin": ORIGIN})
    assert answer.status_code == 303


def test_a_session_is_no_key_of_the_api(owner: Browser) -> None:
    answer = owner.get("/computervision/models?api-version=2023-04-01-preview")
    assert answer.status_code == 401


def test_an_ended_session_is_told_to_scripts(browser: Browser) -> None:
    answer = browser.get("activity", **{"hx-request": "true"})
    assert (answer.status_code, answer.headers["hx-redirect"]) == (401, "/studio/sign-in")
    assert "You are not signed in." in answer.text
    browser.cookies["vision-studio-8080"] = "ended"
    assert "Your session has ended." in browser.get("activity", **{"hx-request": "true"}).text


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


@pytest.mark.parametrize(
    "name",
    ["studio.py", "", "nothing.css", "vendor", "tsconfig.json", "globals.d.ts", "%00.js", "a%00/studio.js", "a" * 300 + ".js"],
)
def test_only_static_files_are_served(browser: Browser, name: str) -> None:
    assert browser.get(f"static/0/{name}").status_code == 404
