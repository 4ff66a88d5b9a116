"""The deploying identity: the one identity as which an update does everything in Azure.

The Pulumi provider azure-native chooses how to sign in by variables `ARM_…`. So that what it creates, what the preflight check
asks and what uploads write belong to one identity, this module chooses in the same way and order:
`newSingleMethodAuthCredential` and `readAuthConfig` in `pulumi/pulumi-azure-native`,
`provider/pkg/provider/auth_azidentity.go`. A method that is chosen and incomplete is an error, as there: the next one is
another identity.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from vision_customization.common.errors import VisionError

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

AZURE_CLI_SECONDS = 60
"""`az` loads for seconds, and longer on a busy machine; the library's own limit is 10 seconds."""

_OIDC_SECONDS = 30.0
_AUDIENCE = "api://AzureADTokenExchange"


class NoDeployingIdentity(VisionError):
    """The variables ARM_… choose a way to sign in, and lack a part of it."""


class SignIn(Enum):
    """How the deploying identity signs in, and the variable that chooses it, in the order of azure-native."""

    DEFAULT = "ARM_USE_DEFAULT_AZURE_CREDENTIAL"
    CERTIFICATE = "ARM_CLIENT_CERTIFICATE_PATH"
    SECRET = "ARM_CLIENT_SECRET"  # noqa: S105 - the variable's name
    OIDC = "ARM_USE_OIDC"
    MANAGED_IDENTITY = "ARM_USE_MSI"
    AZURE_CLI = "az login"

    @classmethod
    def chosen(cls, environ: Mapping[str, str]) -> SignIn:
        for way in (cls.DEFAULT, cls.CERTIFICATE, cls.SECRET, cls.OIDC, cls.MANAGED_IDENTITY):
            given = environ.get(way.value, "")
            if given == "true" if "_USE_" in way.value else given:
                return way
        return cls.AZURE_CLI


def deploying_credential(environ: Mapping[str, str] | None = None) -> TokenCredential:
    """The deploying identity's credential, for Azure's libraries. Signs in only when a token is needed.

    Args:
        environ: the environment; by default the process's own.

    Raises:
        NoDeployingIdentity: a variable is missing.
    """
    from azure import identity

    given = os.environ if environ is None else environ
    way = SignIn.chosen(given)
    if way is SignIn.AZURE_CLI:
        return identity.AzureCliCredential(
            tenant_id=given.get("ARM_TENANT_ID", ""),
            subscription=given.get("ARM_SUBSCRIPTION_ID") or None,
            process_timeout=AZURE_CLI_SECONDS,
        )
    if way is SignIn.DEFAULT:
        return identity.DefaultAzureCredential()
    if way is SignIn.MANAGED_IDENTITY:
        return identity.ManagedIdentityCredential(client_id=given.get("ARM_CLIENT_ID") or None)
    tenant, client = _needed(given, way, "ARM_TENANT_ID"), _needed(given, way, "ARM_CLIENT_ID")
    if way is SignIn.SECRET:
        return identity.ClientSecretCredential(tenant, client, given["ARM_CLIENT_SECRET"])
    if way is SignIn.CERTIFICATE:
        password = given.get("ARM_CLIENT_CERTIFICATE_PASSWORD") or None
        return identity.CertificateCredential(tenant, client, given["ARM_CLIENT_CERTIFICATE_PATH"], password=password)
    return identity.ClientAssertionCredential(tenant, client, _assertion(given))


def _needed(environ: Mapping[str, str], way: SignIn, name: str) -> str:
    if value := environ.get(name):
        return value
    raise NoDeployingIdentity(f"{name} is not set, and {way.value} needs it. Set it, or unset {way.value} to use `az login`")


def _assertion(environ: Mapping[str, str]) -> Callable[[], str]:
    """What gives a token of the pipeline, which Entra exchanges; asked again for each token of Azure's."""
    if token := environ.get("ARM_OIDC_TOKEN"):
        return lambda: token
    if file := environ.get("ARM_OIDC_TOKEN_FILE_PATH"):
        return lambda: _token_of(file)
    url, bearer = environ.get("ACTIONS_ID_TOKEN_REQUEST_URL"), environ.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN")
    if url and bearer:
        return lambda: _requested_token(url, bearer, environ.get("ARM_OIDC_AUDIENCE") or _AUDIENCE)
    raise NoDeployingIdentity(
        "ARM_USE_OIDC is set, and there is no token: set ARM_OIDC_TOKEN or ARM_OIDC_TOKEN_FILE_PATH, or give the GitHub job "
        "the permission `id-token: write`"
    )


def _token_of(file: str) -> str:
    try:
        return Path(file).read_text("utf-8").strip()
    except OSError as error:
        raise NoDeployingIdentity(f"ARM_OIDC_TOKEN_FILE_PATH: {file} cannot be read ({error.strerror})") from None


def _requested_token(url: str, bearer: str, audience: str) -> str:
    """A token of the job from GitHub: https://docs.github.com/actions/reference/security/oidc."""
    import requests

    place = urlsplit(url).netloc
    joined = f"{url}{'&' if urlsplit(url).query else '?'}{urlencode({'audience': audience})}"
    headers = {"Authorization": f"Bearer {bearer}", "Accept": "application/json"}
    try:
        reply = requests.get(joined, headers=headers, timeout=_OIDC_SECONDS)
        if reply.status_code != 200:
            raise NoDeployingIdentity(f"{place} answers {reply.status_code} to the request for a token of this job")
        return str(reply.json()["value"])
    except (requests.RequestException, ValueError, KeyError, TypeError) as error:
        raise NoDeployingIdentity(f"{place} gave no token of this job ({type(error).__name__})") from None
