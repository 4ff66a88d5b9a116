"""One request to Azure Resource Manager, as the deploying identity."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import CONFLICT
from typing import Any
from urllib.parse import urlsplit

from vision_customization.common.errors import VisionError

MANAGEMENT_ENDPOINT = "https://management.azure.com"
"""Also the audience of tokens for it."""

TIMEOUT_SECONDS = 30

NAMESPACES = (
    *("App", "CognitiveServices", "DBforPostgreSQL", "Insights", "KeyVault", "ManagedIdentity", "Network"),
    *("OperationalInsights", "Storage"),
)
"""The resource providers that a stack needs, each below `Microsoft.`."""


class NoAnswer(VisionError):
    """Azure Resource Manager can't be reached."""


class NotRegistered(NoAnswer):
    """The subscription is not registered for a resource provider, as a new one is for hardly any."""


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
    """GET the resource at `path`, like `/subscriptions/…`. Raises NotRegistered, or NoAnswer.

    azure-native registers what it is going to create by itself, but only then
    (`ARMAutoResourceProviderRegistrationPolicy` of azure-mgmt-core does the same, and says what Azure answers until then).
    """
    answer = ask("GET", token, path, api_version)
    if answer.is_unregistered:
        raise NotRegistered(
            f"the subscription is not ready for such resources ({answer.fault}). Nothing was created. Somebody who may register "
            "resource providers in the subscription, like its Contributor, does so once: "
            f"for name in {' '.join(NAMESPACES)}; do az provider register --wait --namespace Microsoft.$name; done"
        )
    return answer


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
