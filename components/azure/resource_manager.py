"""One request to Azure Resource Manager, as the deploying identity."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from vision_customization.common.errors import VisionError

MANAGEMENT_ENDPOINT = "https://management.azure.com"
"""Also the audience of tokens for it."""

TIMEOUT_SECONDS = 30


class NoAnswer(VisionError):
    """Azure Resource Manager can't be reached."""


@dataclass(frozen=True)
class Answer:
    """An HTTP status, and the JSON object that came with it; empty if there was none."""

    status: int
    document: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fault(self) -> str:
        """What an error says of itself: `AuthorizationFailed: The client …`."""
        error = self.document.get("error")
        told = [str(error[key]) for key in ("code", "message") if error.get(key)] if isinstance(error, Mapping) else []
        return ": ".join(told) or f"HTTP status {self.status}"


def get(token: str, path: str, api_version: str) -> Answer:
    """GET the resource at `path`, like `/subscriptions/…`. Raises NoAnswer."""
    return ask("GET", token, path, api_version)


def ask(method: str, token: str, path: str, api_version: str) -> Answer:
    """GET or DELETE the resource at `path`, like `/subscriptions/…`. Raises NoAnswer."""
    import requests

    try:
        answer = requests.request(
            method,
            f"{MANAGEMENT_ENDPOINT}{path}",
            params={"api-version": api_version},
            headers={"Authorization": f"Bearer {token}"},
            timeout=TIMEOUT_SECONDS,
            allow_redirects=False,
        )
    except requests.RequestException as error:
        raise NoAnswer(
            f"{urlsplit(MANAGEMENT_ENDPOINT).netloc} cannot be reached ({type(error).__name__}). Is this machine online?"
        ) from None
    try:
        document = answer.json()
    except requests.JSONDecodeError:
        document = {}
    return Answer(answer.status_code, document if isinstance(document, dict) else {})
