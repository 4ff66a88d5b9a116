"""Forwards prebuilt features (tags, captions, text …) to an Azure AI Vision resource, because the engine does not have them.

The engine asks in one general version, whatever version its caller speaks: Azure switched the preview versions off on
2025-03-31 (Microsoft Learn, "What's new in Azure AI Vision", January 2025). The key, or a token of the engine's own
identity, is sent only to the configured host: redirects are not followed.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlencode, urlsplit

import httpcore
from pydantic import SecretStr

from vision_customization.contract.limits import API_VERSIONS
from vision_customization.engine.blobs.address import BlobError, HostPolicy
from vision_customization.engine.blobs.connection import CheckedPool, Resolve, deadline
from vision_customization.engine.blobs.identity import VISION_SCOPE, Identity, ManagedIdentity, NoToken, named
from vision_customization.engine.errors import EngineError
from vision_customization.engine.models.preview_form import in_preview_form
from vision_customization.engine.settings import Settings

PARAMETERS = ("features", "language", "gender-neutral-caption", "smartcrops-aspect-ratios", "model-version")
"""The query parameters of a caller that are passed on to the resource."""

SECONDS_MAX = 60.0
CONNECTIONS = 16
_CONNECT_SECONDS = 10.0
_REPLY_BYTES_MAX = 16 * 1024 * 1024
_PASSED_ON = ("x-ms-error-code", "retry-after")


class ResourceUnavailable(EngineError):
    """The resource gives no answer that a caller could use."""


@dataclass(frozen=True, slots=True)
class PrebuiltReply:
    """The resource's answer: a result, or an error of the same shape as the engine's own."""

    status: int
    body: bytes
    headers: dict[str, str]


class VisionResource:
    """One resource; safe to use from many threads.

    Args:
        endpoint: `https://{name}.cognitiveservices.azure.com`.
        key: one of its keys; without one, the identity's tokens are sent, and it needs the role Cognitive Services User.
        api_version: the general version in which it is asked, `YYYY-MM-DD`.
        seconds_max: time limit for one call, whatever the resource sends.
    """

    def __init__(
        self,
        endpoint: str,
        key: SecretStr | None = None,
        identity: Identity | None = None,
        *,
        api_version: str,
        seconds_max: float = SECONDS_MAX,
        resolve: Resolve | None = None,
    ) -> None:
        parts = urlsplit(endpoint)
        self._host = parts.netloc.lower()  # the checked connection compares host names case-sensitively
        self._url = f"{parts.scheme}://{self._host}{parts.path}/computervision/imageanalysis:analyze"
        self._key = key
        self._identity = identity or ManagedIdentity()
        self._api_version = api_version
        self._seconds_max = seconds_max
        self._pool = CheckedPool(HostPolicy.of([self._host]), CONNECTIONS, resolve)

    @classmethod
    def open(cls, settings: Settings) -> "VisionResource | None":
        """None if the settings name no resource."""
        if settings.vision_endpoint is None:
            return None
        return cls(settings.vision_endpoint, settings.vision_key, api_version=settings.vision_api_version)

    def close(self) -> None:
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def analyze(self, query: Mapping[str, str], url: str | None, image: bytes) -> PrebuiltReply:
        """Request the features of an image: of `image`, or of the one at `url`, which the resource reads itself.

        Args:
            query: the caller's query; its `PARAMETERS` are passed on. A result has the form of its `api-version`.

        Raises:
            ResourceUnavailable: it does not answer, refuses the engine, or gives an answer that is not in the contract.
        """
        asked = {name: query[name] for name in PARAMETERS if query.get(name)} | {"api-version": self._api_version}
        body = image if url is None else json.dumps({"url": url}).encode()
        headers: dict[bytes | str, bytes | str] = {
            "Content-Type": "application/octet-stream" if url is None else "application/json",
            "User-Agent": "vision-engine",
            **self._credentials(),
        }
        timeouts = {"connect": _CONNECT_SECONDS, **dict.fromkeys(("read", "write", "pool"), self._seconds_max)}
        try:
            with (
                deadline(self._seconds_max),
                self._pool.stream(
                    "POST",
                    f"{self._url}?{urlencode(asked)}",
                    headers=headers,
                    content=body,
                    extensions={"timeout": timeouts},
                ) as reply,
            ):
                found = self._read(reply)
        except httpcore.TimeoutException:
            raise ResourceUnavailable(
                f"The Vision resource {self._host} did not answer within {self._seconds_max:g} seconds. Try again."
            ) from None
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.ConnectionNotAvailable, BlobError) as error:
            raise ResourceUnavailable(
                f"The Vision resource {self._host} cannot be reached ({type(error).__name__}). Check "
                "VISION_ENGINE_VISION_ENDPOINT."
            ) from None
        return self._judged(found, query.get("api-version") in API_VERSIONS)

    def _credentials(self) -> dict[bytes | str, bytes | str]:
        if self._key is not None:
            return {"Ocp-Apim-Subscription-Key": self._key.get_secret_value()}
        try:
            token = self._identity.token(VISION_SCOPE)
        except NoToken as error:
            raise ResourceUnavailable(str(error)) from None
        if token is None:
            raise ResourceUnavailable(
                f"The engine has neither a key for the Vision resource {self._host} (VISION_ENGINE_VISION_KEY) nor an identity."
            )
        return {"Authorization": f"Bearer {token}"}

    def _read(self, reply: httpcore.Response) -> PrebuiltReply:
        body = bytearray()
        for part in reply.iter_stream():
            body += part
            if len(body) > _REPLY_BYTES_MAX:
                raise ResourceUnavailable(
                    f"The answer of the Vision resource {self._host} is longer than {_REPLY_BYTES_MAX:,} bytes."
                )
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in reply.headers}
        return PrebuiltReply(
            reply.status, bytes(body), {name: headers[name] for name in _PASSED_ON if reply.status >= 400 and name in headers}
        )

    def _judged(self, reply: PrebuiltReply, for_preview: bool) -> PrebuiltReply:
        if reply.status in (401, 403):  # the resource refuses the engine, not the engine's caller
            advice = "Check VISION_ENGINE_VISION_KEY"
            if self._key is None:
                advice = f"Give {named(self._identity)} the role Cognitive Services User on it"
            raise ResourceUnavailable(f"The Vision resource {self._host} refuses the engine ({reply.status}). {advice}.")
        try:
            content = json.loads(reply.body)
            if reply.status == 200 and for_preview and isinstance(content, dict):
                body = json.dumps(in_preview_form(content), ensure_ascii=False).encode()
                reply = PrebuiltReply(200, body, reply.headers)
        except (ValueError, KeyError, TypeError):
            content = None
        if not isinstance(content, dict) or not (reply.status == 200 or (reply.status >= 400 and _is_error(content))):
            raise ResourceUnavailable(
                f"The Vision resource {self._host} gave an unexpected answer ({reply.status}) in version {self._api_version}. "
                "Check VISION_ENGINE_VISION_ENDPOINT and VISION_ENGINE_VISION_API_VERSION."
            )
        return reply


def _is_error(content: dict[str, object]) -> bool:
    error = content.get("error")
    return isinstance(error, dict) and isinstance(error.get("code"), str) and isinstance(error.get("message"), str)
