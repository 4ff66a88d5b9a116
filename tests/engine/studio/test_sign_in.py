"""Signing in and out, and what ends a session."""

from datetime import timedelta

import pytest

from tests.support.api_world import KEYS, World, build
from tests.support.studio import ORIGIN, Browser
from vision_customization.contract.studio import Role
from vision_customization.engine.settings import Settings
from vision_customization.engine.store.sessions import CODE_SECONDS, IDLE_HOURS, LIFE
from vision_customization.engine.studio import create_studio

COOKIE = "vision-studio-8080"


def test_without_a_session_a_page_leads_to_the_sign_in_and_back(browser: Browser) -> None:
    asked = browser.get("models?skip=50")
    assert asked.status_code == 303
    assert asked.headers["location"] == "/studio/sign-in?next=%2Fstudio%2Fmodels%3Fskip%3D50"
    form = browser.get(asked.headers["location"])
    assert 'value="/studio/models?skip=50"' in form.text
    signed_in = browser.post("sign-in", {"key": KEYS[1], "next": "/studio/models?skip=50"})
    assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/studio/models?skip=50")
    assert browser.get("").status_code == 200


def test_the_cookie_is_kept_from_scripts_and_other_paths(browser: Browser) -> None:
    answer = browser.post("sign-in", {"key": KEYS[0]})
    parts = {part.strip().lower() for part in answer.headers["set-cookie"].split(";")[1:]}
    assert parts == {"httponly", "secure", "samesite=lax", "path=/studio", "max-age=604800"}


@pytest.mark.parametrize("key", ["", "wrong", KEYS[0] + "x", KEYS[0].upper()])
def test_a_wrong_key_is_refused(browser: Browser, key: str) -> None:
    refused = browser.post("sign-in", {"key": key})
    assert refused.status_code == 403
    assert "not a key of this engine" in refused.text
    assert not browser.cookies


def test_a_code_works_once(world: World) -> None:
    answer = world.call("POST", "studio/codes", json={"role": "reader"})
    assert answer.status_code == 201
    code = answer.json()["code"]
    browser = Browser(world)
    assert browser.post("sign-in", {"code": code}).status_code == 303
    assert "<strong>reader</strong>" in browser.get("").text
    again = Browser(world)
    assert again.post("sign-in", {"code": code}).status_code == 403
    assert not again.cookies


def test_a_code_expires(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    code, _ = world.store.sessions.issue_code(Role.OWNER, "a key")
    now = world.store.database.now()
    monkeypatch.setattr(world.store.database, "now", lambda: now + timedelta(seconds=CODE_SECONDS + 1))
    assert Browser(world).post("sign-in", {"code": code}).status_code == 403


@pytest.mark.parametrize(
    ("later", "status"),
    [
        (timedelta(hours=IDLE_HOURS - 1), 200),
        (timedelta(hours=IDLE_HOURS + 1), 303),
    ],
)
def test_a_session_ends_when_it_is_not_used(
    world: World, monkeypatch: pytest.MonkeyPatch, later: timedelta, status: int
) -> None:
    owner = Browser(world).sign_in()
    now = world.store.database.now()
    monkeypatch.setattr(world.store.database, "now", lambda: now + later)
    assert owner.get("").status_code == status


def test_a_session_that_is_used_ends_after_a_week(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = Browser(world).sign_in()
    start = world.store.database.now()
    for hours in range(1, LIFE.days * 24, 12):
        monkeypatch.setattr(world.store.database, "now", lambda: start + timedelta(hours=hours))  # noqa: B023 - called in the turn
        assert owner.get("").status_code == 200
    monkeypatch.setattr(world.store.database, "now", lambda: start + LIFE + timedelta(minutes=1))
    assert owner.get("").status_code == 303


def test_signing_out_ends_this_session_alone(world: World) -> None:
    here, there = Browser(world).sign_in(), Browser(world).sign_in()
    token = here.cookies[COOKIE]
    assert here.post("sign-out").headers["location"] == "/studio/sign-in"
    assert not here.cookies
    here.cookies[COOKIE] = token
    assert here.get("").status_code == 303
    assert there.get("").status_code == 200


def test_signing_out_everywhere_ends_all_sessions_on_every_engine(world: World) -> None:
    second = build(world.settings, world.store, studio=create_studio)
    here = Browser(world).sign_in()
    there = Browser(second, dict(here.cookies))  # the same session goes on at another engine of the database
    assert there.get("").status_code == 200
    other = Browser(second).sign_in()
    assert there.post("sign-out-everywhere").status_code == 303
    assert [each.get("").status_code for each in (here, there, other)] == [303, 303, 303]


def test_a_rotated_key_ends_its_sessions_at_once(world: World) -> None:
    by_first, by_second = Browser(world), Browser(world)
    by_first.post("sign-in", {"key": KEYS[0]})
    by_second.post("sign-in", {"key": KEYS[1]})
    code = world.call("POST", "studio/codes", json={}).json()["code"]
    rotated = build(world.settings.model_copy(update={"keys": world.settings.keys[1:]}), world.store, studio=create_studio)
    for browser in (by_first, by_second):
        browser.world = rotated
    assert by_first.get("").status_code == 303
    assert by_second.get("").status_code == 200
    by_code = Browser(rotated)
    by_code.post("sign-in", {"code": code})
    assert by_code.get("").status_code == 303


@pytest.mark.parametrize(
    "asked",
    [
        "https://evil.example/",
        "//evil.example/",
        "/studio/\\evil",
        "/studio/../computervision/models",
        "/studio/%2e%2E/computervision/models",
        "/studio/..//evil.example/",
        "/studio/.%2e?next=",
        "/studio/\tevil",
        "/computervision/models",
        "",
        "javascript:alert(1)",
    ],
)
def test_after_signing_in_only_pages_of_the_studio_follow(browser: Browser, asked: str) -> None:
    answer = browser.post("sign-in", {"key": KEYS[0], "next": asked})
    assert answer.headers["location"] == "/studio/"


def test_over_plain_http_from_another_machine_the_sign_in_explains_itself(world: World) -> None:
    page = world.call("GET", "http://engine.lan:8080/studio/sign-in", version=None, key=None)
    assert "over plain http from another machine" in page.text
    headers = {"sec-fetch-site": "same-origin", "content-type": "application/x-www-form-urlencoded"}
    sent = world.call(
        "POST", "http://engine.lan:8080/studio/sign-in", version=None, key=None, headers=headers, content=f"key={KEYS[0]}"
    )
    assert "set-cookie" not in sent.headers


def test_behind_a_proxy_the_public_address_counts(world: World) -> None:
    settings = Settings.model_validate({**world.settings.model_dump(), "public_url": "https://vision.example"})
    app = build(settings, world.store, studio=create_studio)
    headers = {"origin": "https://vision.example", "content-type": "application/x-www-form-urlencoded"}
    answer = app.call(
        "POST", "http://engine.lan:8080/studio/sign-in", version=None, key=None, headers=headers, content=f"key={KEYS[0]}"
    )
    assert answer.status_code == 303
    assert answer.headers["set-cookie"].startswith("vision-studio-443=")


def test_codes_are_for_keys_alone(world: World) -> None:
    assert world.call("POST", "studio/codes", json={}, key=None).status_code == 401
    assert world.call("POST", "studio/codes", json={"role": "admin"}).status_code == 400


def test_secrets_are_neither_in_the_database_nor_in_the_log(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    browser = Browser(world)
    code = world.call("POST", "studio/codes", json={}).json()["code"]
    browser.post("sign-in", {"code": code})
    browser.post("sign-in", {"key": KEYS[0]})
    token = browser.cookies[COOKIE]
    said = " ".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    kept = b"".join(file.read_bytes() for file in world.settings.data_dir.glob("engine.sqlite*"))
    for secret in (code, token, KEYS[0]):
        assert secret not in said
        assert secret.encode() not in kept
    assert ORIGIN.startswith("http://127.0.0.1")


def test_without_the_studio_there_is_no_page_and_no_code(world: World) -> None:
    off = build(world.settings.model_copy(update={"studio": False}), world.store, studio=create_studio)
    assert off.call("GET", "/studio/", version=None).status_code == 404
    assert off.call("POST", "studio/codes", json={}).status_code == 404


@pytest.mark.parametrize(
    ("host", "studio", "served"),
    [
        ("127.0.0.1", None, True),
        ("::1", None, True),
        ("0.0.0.0", None, False),
        ("0.0.0.0", True, True),
        ("127.0.0.1", False, False),
    ],
)
def test_where_it_is_served(host: str, studio: bool | None, served: bool) -> None:
    assert Settings.from_environment({}, host=host, studio=studio).studio_enabled is served
