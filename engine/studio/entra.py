"""Signing in with Microsoft Entra: OpenID Connect's authorization code with PKCE, by MSAL, and the app's roles.

An app registration has the app roles `reader`, `labeler` and `owner`. The engine proves that it is that app by a client secret,
or without a secret by a token of its managed identity (a federated credential of the app registration).
"""

import json
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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


_CLOCK_SKEW_SECONDS = 120


class SignInRefused(EngineError):
    """Why a person is not signed in, for them to read."""


@dataclass(frozen=True)
class SignedIn:
    """Who signed in: their role, their name as people know it, the id of their account, and the path to go on to."""

    role: Role
    name: str
    account: str
    next_path: str


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

    def end(self, kept: str, answer: Mapping[str, str]) -> SignedIn:
        """Who signed in.

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
        self._check(claims)
        account = str(claims.get("oid") or claims["sub"])
        name = str(claims.get("preferred_username") or account)
        return SignedIn(_role(claims, name), name, account, begun["next"])

    def _check(self, claims: Mapping[str, Any]) -> None:
        """That the token is for this app, of this tenant, and valid now: MSAL leaves that to its callers. The token needs no
        check of its signature, since it came from Microsoft's token endpoint over TLS (OpenID Connect Core 1.0, 3.1.3.7).

        Raises SignInRefused.
        """
        issuer = f"{AUTHORITY}/{self._tenant}/v2.0"
        if claims.get("tid") != self._tenant or claims.get("iss") != issuer:
            raise SignInRefused("Your account signed in at another Entra tenant than this Studio's. Choose another account.")
        if str(claims.get("aud")).lower() != self._client_id.lower():
            raise SignInRefused("The sign-in is for another app than this Studio. Begin again.")
        if not isinstance(claims.get("exp"), int | float) or claims["exp"] < time.time() - _CLOCK_SKEW_SECONDS:
            raise SignInRefused("The sign-in has expired, or the engine's clock is wrong. Begin again.")

    def _ask(self, call: "Callable[[msal.ConfidentialClientApplication], Any]") -> Any:  # noqa: ANN401 - MSAL's own
        import msal  # takes a while, and few engines need it

        try:
            # A new one each time: its token cache would keep the tokens of all who sign in.
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
                "The engine has neither VISION_ENGINE_STUDIO_CLIENT_SECRET nor a managed identity: it cannot sign you in."
            )
        return {"client_assertion": lambda: token}


def _role(claims: Mapping[str, Any], name: str) -> Role:
    """The highest role of the account. Raises SignInRefused."""
    held = {str(role).lower() for role in claims.get("roles", [])}
    for role in reversed(Role):
        if role.value in held:
            return role
    roles = ", ".join(Role)
    raise SignInRefused(
        f"Your account {name} has no role in this Studio. Ask for one of the app roles {roles} of its app registration."
    )
