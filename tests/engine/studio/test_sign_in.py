"""Signing in and out, and what ends a session."""

import logging
import re
from datetime import timedelta

import pytest

from tests.support.api_world import KEYS, World, build
from tests.support.studio import ORIGIN, Browser
from vision_customization.contract.studio import Role
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import SessionRecord
from vision_customization.engine.store.sessions import CODE_SECONDS, IDLE_HOURS, LIFE
from vision_customization.engine.studio import create_studio
from vision_customization.engine.studio.pages import PAGES
from vision_customization.engine.studio.security import INNER_PATH_MAX, cookie_flags
from vision_customization.engine.studio.templating import HERE
from vision_customization.engine.studio.wrong_keys import WRONG_KEYS_MAX

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
    assert parts == {"httponly", "samesite=lax", "path=/studio", "max-age=604800"}


@pytest.mark.parametrize(
    ("origin", "secure"), [("https://vision.example", True), ("http://127.0.0.1:8080", False), ("http://localhost", False)]
)
def test_a_cookie_is_secure_over_https_alone(origin: str, secure: bool) -> None:
    """Safari drops a `Secure` cookie of this machine's own addresses."""
    assert cookie_flags(origin) == {"secure": secure, "httponly": True, "samesite": "lax"}


@pytest.mark.parametrize("key", ["", "wrong", KEYS[0] + "x", KEYS[0].upper()])
def test_a_wrong_key_is_refused(browser: Browser, key: str) -> None:
    refused = browser.post("sign-in", {"key": key})
    assert refused.status_code == 403
    assert "not a key of this engine" in refused.text
    assert not browser.cookies


def test_refused_sign_ins_are_in_the_audit_without_what_was_sent(browser: Browser, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "engine.audit")
    browser.post("sign-in", {"key": "a-guess"})
    browser.post("sign-in", {"code": "a-guess"})
    lines = audited(caplog)
    assert [(line.getMessage(), line.__dict__["by"], line.__dict__["address"]) for line in lines] == [
        ("sign-in refused", "key", "127.0.0.1"),
        ("sign-in refused", "code", "127.0.0.1"),
    ]
    assert "a-guess" not in str([line.__dict__ for line in lines])


def test_who_guesses_keys_has_to_wait(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "engine.audit")
    own = build(world.settings, world.store, studio=create_studio)
    browser = Browser(own)
    for _ in range(WRONG_KEYS_MAX):
        assert browser.post("sign-in", {"key": "a guess"}).status_code == 403
    waits = browser.post("sign-in", {"key": KEYS[0]})
    assert waits.status_code == 429
    assert 0 < int(waits.headers["retry-after"]) <= 60
    assert "Too many wrong keys came from 127.0.0.1. Wait " in waits.text
    assert len(audited(caplog)) == WRONG_KEYS_MAX, "a flood of guesses fills no log"
    browser.sign_in()  # by a code, which cannot be guessed
    assert browser.get("").status_code == 200


def audited(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name == "engine.audit"]


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


def test_polls_do_not_count_as_use(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tab that stays open asks every two seconds: nobody needs to be there for that."""
    start, page, tab = world.store.database.now(), Browser(world).sign_in(), Browser(world).sign_in()
    for hours in range(1, IDLE_HOURS + 1):
        monkeypatch.setattr(world.store.database, "now", lambda: start + timedelta(hours=hours))  # noqa: B023 - called in the turn
        assert page.get("").status_code == 200
        assert tab.get("activity", **{"hx-request": "true"}).status_code == 200
    monkeypatch.setattr(world.store.database, "now", lambda: start + timedelta(hours=IDLE_HOURS + 1))
    assert page.get("").status_code == 200
    assert tab.get("activity", **{"hx-request": "true"}).status_code == 401


def test_all_that_pages_poll_is_marked_as_such() -> None:
    polled = set()
    for template in (HERE / "templates").glob("*.html"):
        for address in re.findall(r'hx-get="([^"]+)" hx-trigger="every ', template.read_text("utf-8")):
            if linked := re.fullmatch(r"{{ link\(([^}]+)\) }}(?:\?.*)?", address):
                words = linked[1].split(", ")
                address = "/" + "/".join(word.strip("'") if word.startswith("'") else "*" for word in words)
            polled.add(address.removeprefix("/studio"))
    assert len(polled) >= 6
    polled.remove("{{ again }}")
    polled |= {"/drafts/*/like/*", "/drafts/*/label/next"}  # of draft_like_state.html, and of a script
    assert {re.sub(r"{[^}]*}", "*", page.path) for page in PAGES if page.is_polled} == polled


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


def test_signing_out_everywhere_spares_other_keys_and_higher_roles(world: World) -> None:
    """A key does not say who holds it: those who got a reader's code by it are not its owners."""

    def code_of(role: Role) -> str:
        return str(world.call("POST", "studio/codes", json={"role": role.value}).json()["code"])

    owner, other_key, reader, labeler = (Browser(world) for _ in range(4))
    owner.post("sign-in", {"key": KEYS[0]})
    other_key.post("sign-in", {"key": KEYS[1]})
    reader.post("sign-in", {"code": code_of(Role.READER)})
    labeler.post("sign-in", {"code": code_of(Role.LABELER)})
    unused, unused_owner = code_of(Role.READER), code_of(Role.OWNER)
    account = SessionRecord(Role.OWNER, "a key", None, world.store.database.now(), "an account that calls itself a key")
    by_account = Browser(world, {COOKIE: world.store.sessions.begin(account)})
    everyone = (owner, other_key, labeler, by_account, reader)
    assert [each.get("").status_code for each in everyone] == [200] * 5

    assert reader.post("sign-out-everywhere").status_code == 303
    assert [each.get("").status_code for each in everyone] == [200, 200, 200, 200, 303]
    assert Browser(world).post("sign-in", {"code": unused}).status_code == 403
    assert Browser(world).post("sign-in", {"code": unused_owner}).status_code == 303
    assert owner.post("sign-out-everywhere").status_code == 303
    assert [each.get("").status_code for each in everyone] == [303, 200, 303, 200, 303]


def test_signing_out_without_a_session_is_no_change(browser: Browser, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "engine.audit")
    browser.cookies[COOKIE] = "forged"
    assert browser.post("sign-out").status_code == 303
    assert not browser.cookies
    assert audited(caplog) == []


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


@pytest.mark.parametrize(
    ("asked", "goes_to"),
    [
        ("/studio/€?q=ä b", "/studio/%E2%82%AC?q=%C3%A4%20b"),
        ("/studio/models/a%2Fb?tag=50%25", "/studio/models/a%2Fb?tag=50%25"),
        ("/studio/" + "a" * (INNER_PATH_MAX - 8), "/studio/" + "a" * (INNER_PATH_MAX - 8)),
        ("/studio/" + "a" * INNER_PATH_MAX, "/studio/"),
        ("/studio/" + "€" * 200, "/studio/"),
    ],
)
@pytest.mark.parametrize("header", ["location", "hx-redirect"])
def test_where_it_goes_on_has_any_characters(browser: Browser, asked: str, goes_to: str, header: str) -> None:
    script = {"hx-request": "true"} if header == "hx-redirect" else {}
    answer = browser.post("sign-in", {"key": KEYS[0], "next": asked}, **script)
    assert answer.headers[header] == goes_to
    assert browser.get("").status_code == 200


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


def test_the_address_as_people_type_it_leads_home(world: World) -> None:
    answer = world.call("GET", f"{ORIGIN}/studio", version=None, key=None)
    assert (answer.status_code, answer.headers["location"]) == (307, "/studio/")
    off = build(world.settings.model_copy(update={"studio": False}), world.store, studio=create_studio)
    assert off.call("GET", "/studio", version=None).status_code == 404


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
