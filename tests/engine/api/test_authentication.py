"""Keys and bearer tokens."""

import os
import stat
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support.api_world import BuildWorld, World
from vision_customization.engine.api.authentication import EntraTokens, KeyRing
from vision_customization.engine.errors import SettingsError
from vision_customization.engine.settings import Settings

TENANT = "11111111-2222-3333-4444-555555555555"
AUDIENCE = "https://cognitiveservices.azure.com"
PRIVATE = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)


class FixedKey:
    key = PRIVATE.public_key()

    def get_signing_key_from_jwt(self, token: str) -> "FixedKey":
        jwt.get_unverified_header(token)
        return self


def token(*, signed_by: rsa.RSAPrivateKey | str | None = PRIVATE, algorithm: str = "RS256", **claims: object) -> str:
    content = {"aud": AUDIENCE, "iss": f"https://sts.windows.net/{TENANT}/", "exp": time.time() + 600, **claims}
    return jwt.encode({key: value for key, value in content.items() if value is not None}, signed_by, algorithm)


@pytest.mark.parametrize("key", ["first-key-of-this-engine", "second-key-of-this-engine"])
def test_either_key_opens(world: World, key: str) -> None:
    assert world.call("GET", "datasets", key=key).status_code == 200


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({}, None),
        ({"aud": AUDIENCE + "/", "iss": f"https://login.microsoftonline.com/{TENANT}/v2.0"}, None),
        ({"exp": 1_700_000_000}, "expired"),
        ({"aud": "https://vault.azure.net"}, "another audience"),
        ({"iss": "https://sts.windows.net/99999999-2222-3333-4444-555555555555/"}, "another tenant"),
        ({"signed_by": OTHER}, "not valid"),
        ({"signed_by": "x" * 32, "algorithm": "HS256"}, "not valid"),
        ({"signed_by": None, "algorithm": "none"}, "not valid"),
        ({"exp": None}, "not valid"),
    ],
)
def test_bearer_tokens(claims: dict[str, Any], expected: str | None) -> None:
    refusal = EntraTokens(TENANT, AUDIENCE, FixedKey()).refusal(token(**claims))
    assert (refusal is None) == (expected is None), refusal
    assert expected is None or expected in (refusal or "")


def test_what_is_no_bearer_token() -> None:
    assert "not valid" in (EntraTokens(TENANT, AUDIENCE, FixedKey()).refusal("nonsense") or "")


def test_bearer_tokens_over_the_api(world: World, build_world: BuildWorld) -> None:
    headers = {"Authorization": f"Bearer {token()}"}
    reply = world.call("GET", "datasets", key=None, headers=headers)
    assert reply.status_code == 401
    assert "no Entra tenant is set" in reply.json()["error"]["message"]
    settings = world.settings.model_copy(update={"entra_tenant": TENANT, "entra_audience": AUDIENCE})
    with_entra = build_world(settings, entra_keys=FixedKey())
    assert with_entra.call("GET", "datasets", key=None, headers=headers).status_code == 200
    assert with_entra.call("GET", "datasets").status_code == 200
    reply = with_entra.call("GET", "datasets", key="wrong", headers=headers)
    assert reply.status_code == 401, "a wrong key is not made good by a token"


def test_keys_are_made_once_and_read_again_when_they_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings.from_environment({}, data_dir=tmp_path)
    ring = KeyRing.open(settings)
    file = tmp_path / "keys"
    first, second = file.read_text().split()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len({first, second}) == 2
    assert len(first) == 32
    assert ring.accepts(first)
    assert ring.accepts(second)
    assert not ring.accepts("")
    assert KeyRing.open(settings).accepts(first)
    monkeypatch.setattr("vision_customization.engine.api.authentication._KEYS_REREAD_SECONDS", -1)
    file.write_text("rotated-key, " + second)
    os.utime(file, ns=(1, 1))
    assert ring.accepts("rotated-key")
    assert ring.accepts(second)
    assert not ring.accepts(first)
    file.write_text("")
    os.utime(file, ns=(2, 2))
    assert ring.accepts(second), "a file that cannot be used changes nothing"
    file.unlink()
    assert ring.accepts(second)


def test_a_file_of_three_keys(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("a b c")
    with pytest.raises(SettingsError, match="one or two keys"):
        KeyRing.open(Settings.from_environment({}, data_dir=tmp_path))
