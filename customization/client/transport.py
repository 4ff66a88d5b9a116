"""Requests to the service: credentials, time limits and retries.

A retry is always safe: the client's requests are idempotent reads, deletes, cancels and analyses, or creates whose second
answer the client can interpret (`Reply.retried`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Protocol
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase

from vision_customization.common.backoff import Backoff
from vision_customization.common.errors import VisionError
from vision_customization.common.loopback import LOOPBACK_HOSTS
from vision_customization.common.redaction import redacted
from vision_customization.contract.limits import API_VERSION
from vision_customization.customization.errors import RequestError, Unreachable

SCOPE = "https://cognitiveservices.azure.com/.default"
RETRIED_STATUS = frozenset({408, 429, 500, 502, 503, 504})
RETRY_AFTER_MAX_SECONDS = 60.0
TOKEN_MARGIN_SECONDS = 300

REMOTE_TIMEOUT_SECONDS = (10.0, 60.0)
LOCAL_TIMEOUT_SECONDS = (5.0, 20.0)
"""For the connection, and for an answer: even a busy service on this machine takes less."""

SILENCE_SECONDS = 5.0
"""After this time, the user is told what the client waits for."""

_HEADERS = {**requests.utils.default_headers(), "Accept": "application/json"}


class AccessToken(Protocol):
    @property
    def token(self) -> str: ...

    @property
    def expires_on(self) -> int: ...


class TokenCredential(Protocol):
    """The interface of azure-identity's credentials."""

    def get_token(self, *scopes: str) -> AccessToken: ...


@dataclass(frozen=True)
class RetryPolicy:
    """How often and after which waits a request is sent again after 429, 5xx and connection errors.

    A request that times out is sent `unanswered` times in all: a service that hangs once hangs again.

    The n-th wait is random between half and all of `base_seconds` × 2ⁿ, at most `longest_seconds`; a `Retry-After` of the
    service that is longer counts instead, up to a minute.
    """

    attempts: int = 5
    base_seconds: float = 0.4
    longest_seconds: float = 10.0
    unanswered: int = 2

    def wait_seconds(self, attempt: int, retry_after: float | None) -> float:
        backoff = Backoff(self.base_seconds, self.longest_seconds, least_share=0.5, asked_max_seconds=RETRY_AFTER_MAX_SECONDS)
        return backoff.wait_seconds(attempt + 1, retry_after)


@dataclass(frozen=True)
class RestApi:
    """The root of an API below an endpoint, the query that every request has, and the header that holds the key."""

    path: str
    query: Mapping[str, str]
    key_header: str


VISION_API = RestApi("/computervision", {"api-version": API_VERSION}, "Ocp-Apim-Subscription-Key")


@dataclass(frozen=True)
class Reply:
    """A success. `retried`: an earlier attempt, whose answer was lost, may already have taken effect."""

    response: requests.Response
    retried: bool

    def json(self) -> Any:  # noqa: ANN401 - whatever the service sent
        try:
            return self.response.json()
        except ValueError:
            method, path = self.response.request.method, urlsplit(self.response.url).path
            raise Unreachable(f"{method} {path}: the answer is not JSON. Is the endpoint right?") from None


class Transport:
    """One endpoint and one credential. No message and no `repr` contains the credential."""

    def __init__(
        self,
        endpoint: str,
        credential: str | TokenCredential,
        *,
        timeout_seconds: tuple[float, float] | None,
        retry: RetryPolicy,
        sleep: Callable[[float], None],
        on_silence: Callable[[str], None] | None = None,
        api: RestApi = VISION_API,
    ) -> None:
        parts = urlsplit(endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
            raise VisionError(f"endpoint: must be like https://name.cognitiveservices.azure.com, not {_origin(endpoint)!r}")
        self.endpoint = endpoint.rstrip("/").removesuffix(api.path)
        self._api = api
        self.loopback = parts.hostname in LOOPBACK_HOSTS
        self._timeout_seconds = timeout_seconds or (LOCAL_TIMEOUT_SECONDS if self.loopback else REMOTE_TIMEOUT_SECONDS)
        self._on_silence = on_silence
        self._retry = retry
        self._sleep = sleep
        self._auth = _KeyAuth(credential, api.key_header) if isinstance(credential, str) else _TokenAuth(credential)
        self._session = requests.Session()
        # A proxy from the environment is never meant for the engine on this machine.
        self._session.trust_env = not self.loopback

    def __repr__(self) -> str:
        return f"Transport({self.endpoint!r})"

    def close(self) -> None:
        self._session.close()

    def send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        json: Mapping[str, Any] | None = None,
        data: bytes | Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        stream: bool = False,
        answer_seconds: float = 0.0,
    ) -> Reply:
        """Send a request to `path` below the API's root, and retry it.

        `data` may be iterated over once per attempt. `answer_seconds` is the time limit of requests that take longer than most.

        Raises:
            RequestError: the subclass for the status; `retried` is set if an earlier attempt may have taken effect.
            Unreachable: no answer after all attempts.
        """
        retried = False
        unanswered = 0
        timeout = (self._timeout_seconds[0], max(self._timeout_seconds[1], answer_seconds))
        for attempt in range(self._retry.attempts):
            last = attempt + 1 == self._retry.attempts
            try:
                # Prepared here and not by the session, which would first merge settings of its own.
                request = requests.Request(
                    method,
                    f"{self.endpoint}{self._api.path}{path}",
                    params={**self._api.query, **(params or {})},
                    json=json,
                    data=data,
                    headers={**_HEADERS, **(headers or {})},
                    auth=self._auth,
                ).prepare()
                assert request.url is not None
                with self._telling_of_silence(timeout[1]):
                    response = self._session.send(
                        request,
                        timeout=timeout,
                        # A redirect would carry the key to wherever it points.
                        allow_redirects=False,
                        **self._session.merge_environment_settings(request.url, {}, stream, None, None),
                    )
            except requests.RequestException as error:
                unanswered += isinstance(error, requests.ReadTimeout)
                if last or unanswered >= self._retry.unanswered or not is_transient(error):
                    raise Unreachable(f"{method} {path}: {self._reason(error, timeout)}") from None
                retried = True
                self._sleep(self._retry.wait_seconds(attempt, None))
                continue
            if response.status_code in RETRIED_STATUS and not last:
                retried = retried or response.status_code != 429
                response.close()
                self._sleep(self._retry.wait_seconds(attempt, retry_after(response)))
                continue
            if response.ok and not response.is_redirect:
                return Reply(response, retried)
            refusal = self._refusal(method, path, response)
            refusal.retried = retried
            raise refusal
        raise AssertionError("the last attempt returns or raises")

    @contextmanager
    def _telling_of_silence(self, seconds: float) -> Iterator[None]:
        """Call `on_silence` once an answer has taken a while."""
        if self._on_silence is None:
            yield
            return
        text = f"no answer from {_origin(self.endpoint)} yet; waiting for up to {seconds:.0f} s"
        timer = threading.Timer(SILENCE_SECONDS, self._on_silence, [text])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _reason(self, error: requests.RequestException, timeout: tuple[float, float]) -> str:
        """Why there was no answer, in few words: the library's own message contains URLs and object addresses."""
        where = _origin(self.endpoint)
        if isinstance(error, requests.exceptions.SSLError):
            return f"no trusted TLS connection to {where}"
        if isinstance(error, requests.ConnectTimeout):
            return f"{where} could not be reached within {timeout[0]:.0f} s"
        if isinstance(error, requests.Timeout):
            hangs = (
                ". If it is the local engine, it hangs: see its log, and restart it with `pulumi up`" if self.loopback else ""
            )
            return f"no answer from {where} within {timeout[1]:.0f} s{hangs}"
        if isinstance(error, requests.ConnectionError):
            text = str(error)
            refused = f"refused the connection: is it running?{' `pulumi up` starts a local engine' if self.loopback else ''}"
            for sign, reason in (("refused", refused), ("resolve", "is not a known host")):
                if sign in text:
                    return f"{where} {reason}"
            return f"the connection to {where} broke"
        return f"{where}: {type(error).__name__}"

    def _refusal(self, method: str, path: str, response: requests.Response) -> RequestError:
        code = response.headers.get("x-ms-error-code", "")
        message = response.reason or "no reason given"
        with suppress(ValueError, AttributeError, TypeError):
            body = response.json()
            error = body.get("error", body)
            code, message = error.get("code") or code, error.get("message") or message
            inner = error.get("innererror")
            if isinstance(inner, dict) and inner.get("message"):
                message = f"{message} ({inner.get('code')}: {inner['message']})"
            details = [detail.get("message") for detail in error.get("details") or [] if isinstance(detail, dict)]
            if any(details):
                message = f"{message}: {'; '.join(str(detail) for detail in details if detail)}"
        response.close()
        return RequestError.of(
            method, path, response.status_code, str(code or response.status_code), redacted(str(message), self._auth.secrets())
        )


class _KeyAuth(AuthBase):
    def __init__(self, key: str, header: str) -> None:
        if not key or not key.isascii() or not key.isprintable():
            raise VisionError("key: must be one line of ASCII text")
        self._key = key
        self._header = header

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers[self._header] = self._key
        return request

    def secrets(self) -> tuple[str, ...]:
        return (self._key,)


class _TokenAuth(AuthBase):
    def __init__(self, credential: TokenCredential) -> None:
        self._credential = credential
        self._token: AccessToken | None = None

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        token = self._token
        if token is None or token.expires_on - time.time() < TOKEN_MARGIN_SECONDS:
            token = self._token = self._credential.get_token(SCOPE)
        request.headers["Authorization"] = f"Bearer {token.token}"
        return request

    def secrets(self) -> tuple[str, ...]:
        return (self._token.token,) if self._token else ()


def is_transient(error: requests.RequestException) -> bool:
    return isinstance(error, requests.ConnectionError | requests.Timeout | requests.exceptions.ChunkedEncodingError) and not (
        isinstance(error, requests.exceptions.SSLError)
    )


def retry_after(response: requests.Response) -> float | None:
    """`Retry-After` (seconds or an HTTP date) as seconds from now."""
    value = response.headers.get("Retry-After", "")
    if value.isdecimal():
        return float(value)
    with suppress(ValueError, TypeError):
        return (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
    return None


def _origin(endpoint: str) -> str:
    """Scheme, host and port: no part of a URL that could be a secret."""
    parts = urlsplit(endpoint)
    with suppress(ValueError):
        return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
    return f"{parts.scheme}://{parts.hostname}"
