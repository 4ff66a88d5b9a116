"""Signing in with Microsoft Entra: OpenID Connect's authorization code with PKCE, by MSAL, and the app's roles.

An app registration has the app roles `reader`, `labeler` and `owner`. The engine proves that it is that app by a client secret,
or without a secret by a token of its managed identity (a federated credential of the app registration).
"""

import json
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import SecretStr

from vision_customization.contract.studio import Role
from vision_customization.engine.blobs.identity import Identity, NoToken
from vision_customization.engine.errors import EngineError
from vision_customization.engine.settings import Settings
from vision_customization.engine.store.cipher import TokenCipher

if TYPE_CHECKING:
    import msal

AUTHORITY = "https://login.microsoftonline.com"
EXCHANGE_SCOPE = "api://AzureADTokenExchange/.default"
"""Scope of the managed identity's token that stands in for a client secret (Microsoft Learn, "Configure an application to
trust a managed identity")."""
FLOW_SECONDS = 600
"""How long a sign-in may take at Microsoft's page."""


class SignInRefused(EngineError):
    """Why somebody is not signed in, for them to read."""


class HttpClient(Protocol):
    """What MSAL sends requests with; a `requests.Session`."""

    def get(self, url: str, **arguments: Any) -> Any: ...  # noqa: ANN401 - as MSAL asks for it

    def post(self, url: str, **arguments: Any) -> Any: ...  # noqa: ANN401


class EntraSignIn:
    """Begins sign-ins at Microsoft's page, and checks how they end.

    What must be known at the end is given to the browser, encrypted: no process of the engine has to remember it.
    """

    def __init__(
        self, tenant: str, client_id: str, credential: "Credential", cipher: TokenCipher, http: HttpClient | None = None
    ) -> None:
        self._tenant, self._client_id, self._credential = tenant, client_id, credential
        self._cipher, self._http = cipher, http

    @classmethod
    def open(cls, settings: Settings, identity: Identity, http: HttpClient | None = None) -> "EntraSignIn | None":
        """None if the settings name no app registration."""
        if settings.entra_tenant is None or settings.studio_client_id is None:
            return None
        credential = Credential(settings.studio_client_secret, identity)
        return cls(settings.entra_tenant, settings.studio_client_id, credential, TokenCipher.open(settings), http)

    def begin(self, redirect_uri: str, next_path: str) -> tuple[str, str]:
        """Microsoft's page to go to, and what the browser must bring back. Raises SignInRefused."""
        with warnings.catch_warnings():
            # MSAL would rather have the answer as a form that Microsoft's page posts: browsers send no `Lax` cookie with that.
            warnings.filterwarnings("ignore", message="response_mode='form_post' is recommended")
            flow = self._ask(lambda app: app.initiate_auth_code_flow(scopes=[], redirect_uri=redirect_uri))
        kept = json.dumps({"flow": flow, "next": next_path})
        return str(flow["auth_uri"]), self._cipher.encrypt(SecretStr(kept))

    def end(self, kept: str, answer: Mapping[str, str]) -> tuple[Role, str, str]:
        """Who signed in: their role, their name, and the path to go on to.

        Args:
            kept: what `begin` gave to the browser.
            answer: the query with which Microsoft's page sent the browser back.

        Raises SignInRefused.
        """
        text = self._cipher.decrypt_recent(kept, FLOW_SECONDS)
        if text is None:
            raise SignInRefused("The sign-in was begun in another browser, or more than ten minutes ago. Begin again.")
        begun = json.loads(text.get_secret_value())
        result = self._ask(lambda app: app.acquire_token_by_auth_code_flow(begun["flow"], dict(answer)))
        if "id_token_claims" not in result:
            raise SignInRefused(f"Microsoft refused the sign-in ({result.get('error', 'no token')}). Begin again.")
        claims = result["id_token_claims"]
        return _role(claims), str(claims.get("preferred_username") or claims.get("oid") or claims["sub"]), begun["next"]

    def _ask(self, call: "Callable[[msal.ConfidentialClientApplication], Any]") -> Any:  # noqa: ANN401 - MSAL's own
        import msal  # takes a while, and few engines need it

        try:
            # A new one each time: its token cache would keep the tokens of everybody who signs in.
            app = msal.ConfidentialClientApplication(
                self._client_id,
                client_credential=self._credential.for_msal(),
                authority=f"{AUTHORITY}/{self._tenant}",
                http_client=self._http,
                instance_discovery=False,
            )
            return call(app)
        except NoToken as error:
            raise SignInRefused(str(error)) from None
        except (ValueError, RuntimeError) as error:  # MSAL's own: the answer is not that of the sign-in that was begun
            message = f"The sign-in does not fit the one that was begun ({type(error).__name__}). Begin again."
            raise SignInRefused(message) from None
        except OSError as error:
            message = f"Microsoft's sign-in cannot be reached ({type(error).__name__}). Sign in with a key, or try again."
            raise SignInRefused(message) from None


class Credential:
    """How the engine proves that it is the app."""

    def __init__(self, secret: SecretStr | None, identity: Identity) -> None:
        self._secret, self._identity = secret, identity

    def for_msal(self) -> str | dict[str, Callable[[], str]]:
        """Raises SignInRefused, NoToken."""
        if self._secret is not None:
            return self._secret.get_secret_value()
        token = self._identity.token(EXCHANGE_SCOPE)
        if token is None:
            raise SignInRefused(
                "The engine has neither VISION_ENGINE_STUDIO_CLIENT_SECRET nor a managed identity: it cannot sign anybody in."
            )
        return {"client_assertion": lambda: token}


def _role(claims: Mapping[str, Any]) -> Role:
    """The highest role of the account."""
    held = {str(role).lower() for role in claims.get("roles", [])}
    for role in reversed(Role):
        if role.value in held:
            return role
    roles = ", ".join(Role)
    raise SignInRefused(
        f"Your account has no role in this Studio. Ask for one of the app roles {roles} of its app registration."
    )
