"""One request to Azure Resource Manager, as the deploying identity."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.client import CONFLICT
from typing import Any, Self
from urllib.parse import urlsplit

from vision_customization.common.errors import VisionError

MANAGEMENT_ENDPOINT = "https://management.azure.com"
"""Also the audience of tokens for it."""

TIMEOUT_SECONDS = 30


class NoAnswer(VisionError):
    """Azure Resource Manager can't be reached."""


class NotRegistered(NoAnswer):
    """The subscription is not registered for a resource provider, as a new one is for hardly any."""

    @classmethod
    def for_namespaces(cls, namespaces: Sequence[str], subscription_id: str) -> Self:
        """With the commands that register them."""
        register = f"az provider register --wait --subscription {subscription_id} --namespace"
        return cls(
            f"the subscription {subscription_id} is not registered for the resource provider"
            f"{'s' if len(namespaces) > 1 else ''} {', '.join(namespaces)}. Nothing was created. A Contributor of the "
            f"subscription registers them once: {'; '.join(f'{register} {namespace}' for namespace in namespaces)}"
        )


@dataclass(frozen=True)
class Answer:
    """An HTTP status, and the JSON object that came with it; empty if there was none."""

    status: int
    document: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fault(self) -> str:
        """What an error says of itself: `AuthorizationFailed: The client …`."""
        error = self._error
        told = [str(error[key]) for key in ("code", "message") if error.get(key)]
        return ": ".join(told) or f"HTTP status {self.status}"

    @property
    def is_unregistered(self) -> bool:
        """Whether Azure does not answer because the subscription is not registered for the resource provider."""
        return self.status == CONFLICT and self._error.get("code") == "MissingSubscriptionRegistration"

    @property
    def _error(self) -> Mapping[str, Any]:
        error = self.document.get("error")
        return error if isinstance(error, Mapping) else {}


def get(token: str, path: str, api_version: str) -> Answer:
    """GET the resource at `path`, like `/subscriptions/…`. Raises NotRegistered, or NoAnswer."""
    answer = ask("GET", token, path, api_version)
    if answer.is_unregistered:
        raise NotRegistered.for_namespaces([path.rpartition("/providers/")[2].partition("/")[0]], path.split("/")[2])
    return answer


def ask(method: str, token: str, path: str, api_version: str) -> Answer:
    """GET, DELETE or (without a body) POST to `path`, like `/subscriptions/…`. Raises NoAnswer."""
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
