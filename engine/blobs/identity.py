"""The engine's own identity: the managed identity of the App Service, Container App or AKS pod that it runs in.

`AZURE_CLIENT_ID` selects a user-assigned identity. Outside Azure the engine has no identity.
"""

import os
import threading
from typing import TYPE_CHECKING, Protocol

from vision_customization.engine.errors import EngineError

if TYPE_CHECKING:
    from azure.identity import DefaultAzureCredential

STORAGE_SCOPE = "https://storage.azure.com/.default"
VISION_SCOPE = "https://cognitiveservices.azure.com/.default"

_PLACES = ("IDENTITY_ENDPOINT", "MSI_ENDPOINT", "AZURE_FEDERATED_TOKEN_FILE")


class NoToken(EngineError):
    """The engine has an identity, but gets no token for it at the moment."""


class Identity(Protocol):
    """The identity whose bearer tokens the engine sends."""

    @property
    def client_id(self) -> str | None:
        """Its client id in Azure; None for a system-assigned identity, or without an identity."""

    def token(self, scope: str) -> str | None:
        """A token for `scope`, or None if the engine has no identity. Raises NoToken."""


class ManagedIdentity:
    """The identity of the environment; it keeps its tokens until shortly before they expire."""

    def __init__(self) -> None:
        self._credential: DefaultAzureCredential | None = None
        self._lock = threading.Lock()

    @property
    def client_id(self) -> str | None:
        return os.environ.get("AZURE_CLIENT_ID") or None if self.exists else None

    @property
    def exists(self) -> bool:
        return any(os.environ.get(place) for place in _PLACES)

    def token(self, scope: str) -> str | None:
        if not self.exists:
            return None
        from azure.core.exceptions import AzureError

        try:
            return self.credential.get_token(scope).token
        except AzureError as error:
            named = f" ({self.client_id})" if self.client_id else ""
            raise NoToken(f"The engine gets no token for its managed identity{named} ({type(error).__name__}).") from None

    @property
    def credential(self) -> "DefaultAzureCredential":
        """The same identity as a credential for Azure's libraries."""
        from azure.identity import DefaultAzureCredential

        with self._lock:
            if self._credential is None:
                self._credential = DefaultAzureCredential(
                    exclude_cli_credential=True, exclude_powershell_credential=True, exclude_developer_cli_credential=True
                )
            return self._credential


def named(identity: Identity) -> str:
    """`the engine's identity 4711-…`, for a message."""
    return f"the engine's identity {identity.client_id}" if identity.client_id else "the engine's identity"
