"""Who may call: a key in `Ocp-Apim-Subscription-Key`, or a bearer token of Entra."""

import hashlib
import logging
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import jwt
from pydantic import SecretStr

from vision_customization.contract.errors import ErrorCode
from vision_customization.engine.api.errors import ApiError
from vision_customization.engine.errors import SettingsError
from vision_customization.engine.runtime.secret_file import secret_file
from vision_customization.engine.settings import Settings

KEY_HEADER = "ocp-apim-subscription-key"
KEYS_FILE = "keys"

_KEYS_REREAD_SECONDS = 1.0
_CLOCK_SKEW_SECONDS = 60
_FINGERPRINT_SALT = b"vision-engine key"  # the same everywhere: the processes of one engine compare fingerprints

log = logging.getLogger("engine.authentication")


class KeyRing:
    """The one or two keys that callers may use, from the settings or else from a file, which is reloaded when it changes."""

    def __init__(self, keys: tuple[SecretStr, ...], file: Path | None = None) -> None:
        self._keys = tuple(key.get_secret_value().encode() for key in keys)
        self._file = file
        self._changed_ns = 0
        self._checked = float("-inf")
        self._fingerprints: dict[bytes, str] = {}
        if file is not None:
            self._read()

    @classmethod
    def open(cls, settings: Settings) -> "KeyRing":
        """The keys of the settings. Without any: the keys in the file `keys` of the data folder, which starts with two keys."""
        if settings.keys:
            return cls(settings.keys)
        file = settings.data_dir / KEYS_FILE
        secret_file(file, f"{secrets.token_hex(16)}\n{secrets.token_hex(16)}")
        return cls((), file)

    def accepts(self, key: str) -> bool:
        """Whether `key` is one of them; takes the same time for any key of the same length."""
        self._read_again()
        given = key.encode()
        matches = [secrets.compare_digest(given, known) for known in self._keys]
        return any(matches)

    def fingerprint(self, key: str) -> str | None:
        """A digest of `key`, in hex, to recognize it by; None if it is not one of the keys. Takes some 50 ms the first time."""
        return self._fingerprint(key.encode()) if self.accepts(key) else None

    def knows(self, fingerprint: str) -> bool:
        """Whether it is the fingerprint of one of the keys of now."""
        self._read_again()
        return any(secrets.compare_digest(fingerprint, self._fingerprint(key)) for key in self._keys)

    def _fingerprint(self, key: bytes) -> str:
        if key not in self._fingerprints:
            # A slow digest, because keys that people chose themselves could be guessed from a fast one.
            self._fingerprints[key] = hashlib.scrypt(key, salt=_FINGERPRINT_SALT, n=2**14, r=8, p=1, dklen=32).hex()
        return self._fingerprints[key]

    def _read_again(self) -> None:
        now = time.monotonic()
        if self._file is None or now - self._checked < _KEYS_REREAD_SECONDS:
            return
        self._checked = now
        try:
            if self._file.stat().st_mtime_ns != self._changed_ns:
                self._read()
                log.info("keys reloaded", extra={"keys": len(self._keys)})
        except (OSError, SettingsError) as error:
            log.error("keys not reloaded: the old ones stay", extra={"reason": str(error)})  # noqa: TRY400 - the text says all

    def _read(self) -> None:
        assert self._file is not None
        changed_ns = self._file.stat().st_mtime_ns
        keys = tuple(part.encode() for part in self._file.read_text().replace(",", "\n").split())
        if not 1 <= len(keys) <= 2:
            advice = "Correct the file, or delete it to have two keys generated."
            raise SettingsError(f"{self._file}: expected one or two keys, one per line; found {len(keys)}. {advice}")
        self._keys, self._changed_ns = keys, changed_ns


class KeySource(Protocol):
    """Where Entra's public keys come from; `jwt.PyJWKClient`."""

    def get_signing_key_from_jwt(self, token: str) -> Any:  # noqa: ANN401 - PyJWK
        """Returns an object with the public key as `key`. Raises `jwt.PyJWTError`."""
        ...


class EntraTokens:
    """Validates bearer tokens of one Entra tenant, meant for one audience."""

    def __init__(self, tenant: str, audience: str, keys: KeySource | None = None) -> None:
        self._audiences = [audience.rstrip("/"), audience.rstrip("/") + "/"]
        self._issuers = [f"https://login.microsoftonline.com/{tenant}/v2.0", f"https://sts.windows.net/{tenant}/"]
        self._keys = keys or jwt.PyJWKClient(f"https://login.microsoftonline.com/{tenant}/discovery/v2.0/keys", timeout=10)

    @classmethod
    def open(cls, settings: Settings, keys: KeySource | None = None) -> "EntraTokens | None":
        """None if the settings name no tenant."""
        if settings.entra_tenant is None or settings.entra_audience is None:
            return None
        return cls(settings.entra_tenant, settings.entra_audience, keys)

    def refusal(self, token: str) -> str | None:
        """Why `token` is refused; None if it is valid. May fetch the tenant's keys, so never call it on the event loop."""
        try:
            jwt.decode(
                token,
                self._keys.get_signing_key_from_jwt(token).key,
                algorithms=["RS256"],
                audience=self._audiences,
                issuer=self._issuers,
                leeway=_CLOCK_SKEW_SECONDS,
                options={"require": ["exp", "iss", "aud"]},
            )
        except jwt.PyJWKClientConnectionError:
            return "The signing keys of the Entra tenant cannot be read at the moment. Try again, or send a key instead."
        except jwt.ExpiredSignatureError:
            return "The bearer token has expired."
        except jwt.InvalidAudienceError:
            return f"The bearer token is for another audience: expected {self._audiences[0]}."
        except jwt.InvalidIssuerError:
            return "The bearer token was issued by another tenant."
        except jwt.PyJWTError:
            return "The bearer token is not valid."
        return None


class Authenticator:
    """Accepts or refuses a request by its headers alone."""

    def __init__(self, keys: KeyRing, entra: EntraTokens | None = None) -> None:
        self.keys = keys
        self._entra = entra

    def has_key(self, headers: Mapping[bytes, bytes], key_header: str = KEY_HEADER) -> bool:
        """Whether the (lower-case) headers contain a valid key. Fast enough for the event loop."""
        given = headers.get(key_header.encode())
        return given is not None and self.keys.accepts(given.decode("latin-1"))

    def refusal(self, headers: Mapping[bytes, bytes], key_header: str = KEY_HEADER) -> str | None:
        """Why a request without a valid key is refused; None if its bearer token is valid. Not for the event loop."""
        if key_header.encode() in headers:
            return "Access denied: the key is not a key of this engine."
        scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        if scheme.lower() == "bearer":
            if self._entra is None:
                return f"Bearer tokens are not accepted: no Entra tenant is set. Send a key in {key_header.title()}."
            return self._entra.refusal(token.strip())
        return f"Access denied: the request has no key. Send one in the header {key_header.title()}."


def unauthorized(message: str, realm: str) -> ApiError:
    """401 as the gateway of the hosted service answers it: code "401"."""
    challenge = f'AzureApiManagementKey realm="{realm}",name="Ocp-Apim-Subscription-Key",type="header"'
    return ApiError(401, ErrorCode.UNAUTHORIZED, message, headers={"WWW-Authenticate": challenge})
