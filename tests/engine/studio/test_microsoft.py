"""Signing in with Microsoft, against a stand-in of Entra's endpoints that checks what the engine sends."""

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.api_world import World, build
from tests.support.studio import ORIGIN, Browser
from vision_customization.engine.errors import SettingsError
from vision_customization.engine.settings import Settings
from vision_customization.engine.studio import application
from vision_customization.engine.studio.entra import EXCHANGE_SCOPE, EntraSignIn
from vision_customization.engine.studio.security import INNER_PATH_MAX

TENANT, CLIENT = "6babcaad-604b-40ac-a9d7-9fd97c0b779f", "b1a7e1a0-0000-4000-8000-000000000001"
AUTHORITY = f"https://login.microsoftonline.com/{TENANT}"
SECRET = "the-client-secret"


@dataclass
class Reply:
    """What MSAL reads of an answer."""

    body: dict[str, Any]
    status_code: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return json.dumps(self.body)

    def raise_for_status(self) -> None:
        assert self.status_code == 200


@dataclass
class Entra:
    """One tenant with one app. `codes` are those it gave out: the challenge, the nonce and the redirect URI of each."""

    roles: list[str] = field(default_factory=lambda: ["owner"])
    codes: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    proofs: list[str] = field(default_factory=list)
    down: bool = False
    claims: dict[str, Any] = field(default_factory=dict)

    def get(self, url: str, **_: Any) -> Reply:  # noqa: ANN401
        if self.down:
            raise ConnectionError("no route")
        assert url == f"{AUTHORITY}/v2.0/.well-known/openid-configuration"
        endpoints = {"authorization_endpoint": f"{AUTHORITY}/authorize", "token_endpoint": f"{AUTHORITY}/token"}
        return Reply({**endpoints, "issuer": f"{AUTHORITY}/v2.0"})

    def post(self, url: str, data: dict[str, str], **_: Any) -> Reply:  # noqa: ANN401
        assert url == f"{AUTHORITY}/token"
        challenge, nonce, redirect_uri = self.codes.pop(data["code"])
        assert data["redirect_uri"] == redirect_uri
        verifier = hashlib.sha256(data["code_verifier"].encode()).digest()
        assert base64.urlsafe_b64encode(verifier).rstrip(b"=").decode() == challenge
        self.proofs.append(data.get("client_secret") or data["client_assertion"])
        now = int(time.time())
        claims = {
            "iss": f"{AUTHORITY}/v2.0",
            "tid": TENANT,
            "aud": CLIENT,
            "sub": "s",
            "oid": "o",
            "iat": now,
            "exp": now + 3600,
            "nonce": nonce,
            "preferred_username": "ada@contoso.example",
            "roles": self.roles,
            **self.claims,
        }
        parts = (json.dumps(part).encode() for part in ({"alg": "none"}, claims))
        token = ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
        return Reply({"access_token": "a", "token_type": "Bearer", "expires_in": 3600, "id_token": f"{token}."})

    def sign_in(self, address: str) -> str:
        """What Microsoft's page does when somebody has signed in there: the query to come back with."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert query["client_id"] == CLIENT
        assert query["code_challenge_method"] == "S256"
        assert query["redirect_uri"] == f"{ORIGIN}/studio/sign-in/microsoft/done"
        code = secrets.token_hex(8)
        self.codes[code] = query["code_challenge"], query["nonce"], query["redirect_uri"]
        return f"code={code}&state={query['state']}"


@pytest.fixture
def entra() -> Entra:
    return Entra()


@pytest.fixture
def sign_in_with(world: World, entra: Entra, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Browser]:
    """A browser at an engine that signs in with Microsoft; the arguments are further settings."""
    opened = EntraSignIn.open
    monkeypatch.setattr(EntraSignIn, "open", lambda settings, identity: opened(settings, identity, entra))

    def make(**settings: str | None) -> Browser:
        given = {"entra_tenant": TENANT, "studio_client_id": CLIENT, "studio_client_secret": SECRET, **settings}
        whole = Settings.model_validate({**world.settings.model_dump(), **given})
        return Browser(build(whole, world.store, studio=application.create_studio))

    return make


def begin(browser: Browser, next_path: str = "") -> str:
    answer = browser.get(f"sign-in/microsoft?next={next_path}")
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


@pytest.mark.parametrize(
    ("roles", "role"),
    [(["reader"], "reader"), (["labeler", "reader"], "labeler"), (["Owner"], "owner"), (["other", "reader"], "reader")],
)
def test_people_sign_in_with_their_app_role(
    sign_in_with: Callable[..., Browser], entra: Entra, roles: list[str], role: str
) -> None:
    browser = sign_in_with()
    entra.roles = roles
    assert "Sign in with Microsoft" in browser.get("sign-in").text
    back = entra.sign_in(begin(browser, "/studio/?from=mail"))
    done = browser.get(f"sign-in/microsoft/done?{back}")
    assert (done.status_code, done.headers["location"]) == (303, "/studio/?from=mail")
    home = browser.get("").text
    assert "ada@contoso.example" in home
    assert f"<strong>{role}</strong>" in home
    assert list(browser.cookies) == ["vision-studio-8080"]  # what the sign-in needed is gone
    assert entra.proofs == [SECRET]


def test_without_a_secret_the_managed_identity_is_the_proof(sign_in_with: Callable[..., Browser], entra: Entra) -> None:
    browser = sign_in_with(studio_client_secret=None)
    back = entra.sign_in(begin(browser))
    assert browser.get(f"sign-in/microsoft/done?{back}").status_code == 303
    assert entra.proofs == [f"token-for-{EXCHANGE_SCOPE}"]


def test_an_account_without_a_role_is_not_signed_in(sign_in_with: Callable[..., Browser], entra: Entra) -> None:
    browser = sign_in_with()
    entra.roles = ["billing"]
    answer = browser.get(f"sign-in/microsoft/done?{entra.sign_in(begin(browser))}")
    assert answer.status_code == 403
    assert "Your account ada@contoso.example has no role in this Studio" in answer.text
    assert browser.get("").status_code == 303


@pytest.mark.parametrize("what", ["another state", "another browser", "no code", "refused", "another nonce", "used"])
def test_a_sign_in_that_is_not_the_one_begun(sign_in_with: Callable[..., Browser], entra: Entra, what: str) -> None:
    browser = sign_in_with()
    back = entra.sign_in(begin(browser))
    if what == "another state":
        back = back.partition("&")[0] + "&state=forged"
    elif what == "another browser":
        browser.cookies.clear()
    elif what == "no code":
        back = ""
    elif what == "refused":
        back = f"error=access_denied&{back.partition('&')[2]}"
    elif what == "another nonce":
        entra.claims = {"nonce": "forged"}
    elif what == "used":
        entra.post = lambda *_, **__: Reply({"error": "invalid_grant"}, 400)  # type: ignore[method-assign]
    answer = browser.get(f"sign-in/microsoft/done?{back}")
    assert answer.status_code == 403, answer.text
    assert 'role="alert"' in answer.text
    assert browser.get("").status_code == 303


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"tid": "00000000-0000-4000-8000-000000000000"}, "at another Entra tenant than this Studio"),
        ({"tid": None}, "at another Entra tenant"),
        ({"iss": "https://login.microsoftonline.com/00000000-0000-4000-8000-000000000000/v2.0"}, "at another Entra tenant"),
        ({"aud": "b1a7e1a0-0000-4000-8000-000000000002"}, "for another app"),
        ({"aud": None}, "for another app"),
        ({"exp": int(time.time()) - 3600}, "has expired"),
        ({"exp": None}, "has expired"),
    ],
)
def test_a_token_that_is_not_for_this_studio(
    sign_in_with: Callable[..., Browser],
    entra: Entra,
    caplog: pytest.LogCaptureFixture,
    claims: dict[str, Any],
    said: str,
) -> None:
    caplog.set_level("INFO", "engine.audit")
    browser = sign_in_with()
    entra.claims = claims
    answer = browser.get(f"sign-in/microsoft/done?{entra.sign_in(begin(browser))}")
    assert answer.status_code == 403
    assert said in answer.text
    assert browser.get("").status_code == 303
    [line] = [record for record in caplog.records if record.name == "engine.audit"]
    assert (line.getMessage(), line.__dict__["by"]) == ("sign-in refused", "microsoft")
    assert said in line.__dict__["reason"]


def test_a_renamed_account_stays_itself(
    sign_in_with: Callable[..., Browser], entra: Entra, caplog: pytest.LogCaptureFixture
) -> None:
    """Names can change, and go to another account."""

    def signed_in(**claims: str) -> Browser:
        browser = sign_in_with()
        entra.claims = claims
        assert browser.get(f"sign-in/microsoft/done?{entra.sign_in(begin(browser))}").status_code == 303
        return browser

    before, after = signed_in(), signed_in(preferred_username="lovelace@contoso.example")
    another = signed_in(oid="another", preferred_username="ada@contoso.example")
    caplog.set_level("INFO", "engine.audit")
    assert after.post("sign-out-everywhere").status_code == 303
    assert [browser.get("").status_code for browser in (before, after, another)] == [303, 303, 200]
    [line] = [record for record in caplog.records if record.name == "engine.audit"]
    assert (line.__dict__["who"], line.__dict__["account"]) == ("lovelace@contoso.example", "o")


def test_browsers_keep_the_cookie_of_the_longest_way_back(sign_in_with: Callable[..., Browser]) -> None:
    next_path = "/studio/" + "a" * (INNER_PATH_MAX - 8)
    answer = sign_in_with().get(f"sign-in/microsoft?next={next_path}")
    assert len(answer.headers["set-cookie"]) < 4096


def test_entra_that_does_not_answer(sign_in_with: Callable[..., Browser], entra: Entra) -> None:
    entra.down = True
    answer = sign_in_with().get("sign-in/microsoft")
    assert answer.status_code == 503
    assert "cannot be reached" in answer.text


def test_neither_a_secret_nor_an_identity(sign_in_with: Callable[..., Browser]) -> None:
    browser = sign_in_with(studio_client_secret=None)
    browser.world.blobs.identity.token = lambda scope: None  # type: ignore[method-assign]
    answer = browser.get("sign-in/microsoft")
    assert answer.status_code == 503
    assert "VISION_ENGINE_STUDIO_CLIENT_SECRET" in answer.text


def test_an_engine_without_an_app_has_no_sign_in_with_microsoft(browser: Browser) -> None:
    assert "Microsoft" not in browser.get("sign-in").text
    assert browser.get("sign-in/microsoft").status_code == 404


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"studio_client_id": CLIENT}, "need entra_tenant"),
        ({"entra_audience": "https://a"}, "need entra_tenant"),
        ({"entra_tenant": TENANT}, "entra_tenant needs"),
        ({"studio_client_secret": SECRET}, "needs studio_client_id"),
    ],
)
def test_settings_that_do_not_fit(given: dict[str, str], fault: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=fault) as caught:
        Settings.from_environment({}, data_dir=tmp_path, **given)
    assert SECRET not in str(caught.value)


def test_the_secret_is_in_no_repr() -> None:
    settings = Settings.from_environment({}, entra_tenant=TENANT, studio_client_id=CLIENT, studio_client_secret=SECRET)
    assert SECRET not in repr(settings)
