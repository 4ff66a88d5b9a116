"""A container in Azure Blob Storage or Azurite: opening it, creating it, and giving access by a SAS token.

The Azure libraries are imported when the first container is opened, not before.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from vision_customization.common.deploying_identity import deploying_credential
from vision_customization.common.errors import AccessRefused, StorageError
from vision_customization.common.loopback import LOOPBACK_HOSTS
from vision_customization.common.storage_refusal import ROLE_MISSING, code_of_azure, why_refused

if TYPE_CHECKING:
    from datetime import datetime

    from azure.core.credentials import TokenCredential
    from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
    from azure.storage.blob import BlobClient, ContainerClient

API_VERSION = "2024-11-04"
"""The newest version that every Azurite of the last years supports; the library's default is newer."""

AZURE_BLOB_SUFFIXES = (
    ".blob.core.windows.net",
    ".blob.core.usgovcloudapi.net",
    ".blob.core.chinacloudapi.cn",
    ".blob.storage.azure.net",
)
"""Blob endpoints of Azure's clouds; the last ones are for accounts in a DNS zone of their own."""

CONNECTIONS = 16
CONNECT_TIMEOUT_SECONDS = 10
READ_TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class ContainerUrl:
    """The parts of a container's URL: `https://{account}.blob.core.windows.net/{container}`, or Azurite's
    `http://127.0.0.1:10000/{account}/{container}`."""

    url: str
    account: str
    container: str
    loopback: bool

    @classmethod
    def parse(cls, url: str) -> ContainerUrl:
        """Raises StorageError if it is not a container's URL, or contains a SAS token."""
        parts = urlsplit(url)
        path = [part for part in parts.path.split("/") if part]
        path_style = _is_path_style(parts.hostname or "")
        account = path[0] if path_style else (parts.hostname or "").split(".")[0]
        if parts.query or parts.username:
            raise StorageError("container URL: remove the query string or user name, and pass the key or token separately")
        if parts.scheme not in ("http", "https") or len(path) != (2 if path_style else 1):
            raise StorageError(f"container URL {url!r}: must be like https://account.blob.core.windows.net/container")
        return cls(url.rstrip("/"), account, path[-1], parts.hostname in LOOPBACK_HOSTS)


def _is_path_style(host: str) -> bool:
    """Whether the account is the path's first part: it is if the host is an IP address or a plain name."""
    return "." not in host or host.replace(".", "").isdigit()


def open_container(
    url: str,
    *,
    account_key: str | None = None,
    credential: TokenCredential | None = None,
    sas_token: str | None = None,
    single_put_bytes: int | None = None,
) -> ContainerClient:
    """A client of the container, with the account key or the SAS token (a query string), else with `credential`, else as
    the deploying identity.

    `single_put_bytes`: up to this size, a blob is held in memory and written by one Put Blob; a larger one in blocks. The
    library's own limit is 64 MiB."""
    from azure.core.credentials import AzureSasCredential
    from azure.storage.blob import ContainerClient

    parsed = ContainerUrl.parse(url)
    if sas_token is not None:
        given: Any = AzureSasCredential(sas_token)
    else:
        given = _credential(parsed.account, account_key, credential)
    options = _options(parsed.loopback) | ({} if single_put_bytes is None else {"max_single_put_size": single_put_bytes})
    return ContainerClient.from_container_url(parsed.url, credential=given, **options)


def open_blob(url: str, *, account_key: str | None = None, credential: TokenCredential | None = None) -> BlobClient:
    """A client of one blob, like `open_container`."""
    from azure.storage.blob import BlobClient

    if urlsplit(url).query:
        raise StorageError("blob URI: remove the SAS token, and pass it as the dataset's authentication")
    parsed = ContainerUrl.parse(container_of_blob(url))
    return BlobClient.from_blob_url(
        url, credential=_credential(parsed.account, account_key, credential), **_options(parsed.loopback)
    )


def container_of_blob(url: str) -> str:
    """The URL of the container that a blob is in."""
    parts = urlsplit(url)
    container = "/".join(parts.path.split("/")[: 3 if _is_path_style(parts.hostname or "") else 2])
    return f"{parts.scheme}://{parts.netloc}{container}"


def _credential(account: str, account_key: str | None, credential: TokenCredential | None) -> Any:  # noqa: ANN401 - two kinds
    if account_key is not None:
        from azure.core.credentials import AzureNamedKeyCredential

        return AzureNamedKeyCredential(account, account_key)
    if credential is not None:
        return credential
    return deploying_credential()


def _options(loopback: bool) -> dict[str, Any]:
    import requests
    from azure.core.exceptions import ClientAuthenticationError
    from azure.core.pipeline.transport import RequestsTransport
    from azure.storage.blob import ExponentialRetry, LinearRetry
    from requests.adapters import HTTPAdapter

    class Retry(ExponentialRetry):
        """Not for a credential that gives no token, for which the library would wait a minute."""

        def increment(self, settings: Any, request: Any, response: Any = None, error: Any = None) -> bool:  # noqa: ANN401
            return not isinstance(error, ClientAuthenticationError) and super().increment(settings, request, response, error)

    session = requests.Session()
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=CONNECTIONS))
    # A proxy from the environment is never meant for the Azurite on this machine.
    session.trust_env = not loopback
    return {
        "api_version": API_VERSION,
        "transport": RequestsTransport(session=session, session_owner=True, use_env_settings=not loopback),
        "retry_policy": LinearRetry(backoff=1, retry_total=2, random_jitter_range=0)
        if loopback
        else Retry(initial_backoff=1, increment_base=2, retry_total=5, random_jitter_range=1),
        "connection_timeout": CONNECT_TIMEOUT_SECONDS,
        "read_timeout": READ_TIMEOUT_SECONDS,
    }


def refusal_code(error: HttpResponseError) -> str | None:
    """Azure's code of a refusal, for `why_refused`."""
    code = getattr(error, "error_code", None)
    server = getattr(error.response, "headers", {}).get("Server")
    return code_of_azure(getattr(code, "value", code), server)


def _nobody_signed_in(error: ClientAuthenticationError) -> bool:
    """Whether an error without a code is that of a credential; else a key is not base64."""
    from azure.core.exceptions import ClientAuthenticationError
    from azure.identity import CredentialUnavailableError

    return type(error) in (ClientAuthenticationError, CredentialUnavailableError)


@contextmanager
def storage_errors(doing: str) -> Iterator[None]:
    """Turn Azure's exceptions into StorageError: what was being done, the answer, and what to do."""
    from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

    try:
        yield
    except HttpResponseError as error:
        code = getattr(error, "error_code", None)
        answer = f"{error.status_code} {getattr(code, 'value', code) or error.reason}" if error.status_code else "not sent"
        if isinstance(error, ClientAuthenticationError) and not code and _nobody_signed_in(error):
            advice = "Log in with `az login`, set variables ARM_…, or pass an account key"
            raise StorageError(f"{doing}: no Entra identity. {advice} ({error.message})") from None
        if isinstance(error, ClientAuthenticationError) or error.status_code in (401, 403):
            code = refusal_code(error)
            no_role = "the identity lacks the role Storage Blob Data Contributor on the container"
            missing = no_role if code == ROLE_MISSING else f"either the account key is wrong, or {no_role}"
            raise AccessRefused(f"{doing}: {answer}. Cause: {why_refused(code, 'the caller', missing)}", code) from None
        raise StorageError(f"{doing}: {answer}") from None
    except AzureError as error:
        raise StorageError(f"{doing}: the storage can't be reached ({type(error).__name__}). Is it running?") from None


def container_exists(url: str, *, account_key: str | None = None, credential: TokenCredential | None = None) -> bool:
    """Whether the container exists. Raises StorageError if the storage can't be reached, or refuses."""
    with storage_errors(f"container {url}"), open_container(url, account_key=account_key, credential=credential) as container:
        return container.exists()


def list_one(url: str, *, account_key: str | None = None, credential: TokenCredential | None = None) -> None:
    """List the container's first blob. Raises StorageError if that is refused, or the storage can't be reached."""
    with storage_errors(f"container {url}"), open_container(url, account_key=account_key, credential=credential) as container:
        next(iter(container.list_blobs(results_per_page=1)), None)


def ensure_container(url: str, *, account_key: str | None = None, credential: TokenCredential | None = None) -> None:
    """Create the container, without public access, if it does not exist."""
    from azure.core.exceptions import ResourceExistsError

    with storage_errors(f"container {url}"), open_container(url, account_key=account_key, credential=credential) as container:
        # A role on the container alone does not allow creating it.
        if container.exists():
            return
        try:
            container.create_container()
        except ResourceExistsError as error:
            if getattr(error, "error_code", None) != "ContainerAlreadyExists":
                raise


def container_sas(url: str, account_key: str, expiry: datetime, *, create: bool = False) -> str:
    """A SAS token (a query string) to read and list the container until `expiry`; over TLS only if its URL is https. With
    `create`, also to write blobs that do not exist yet: never to replace or delete one."""
    from azure.storage.blob import ContainerSasPermissions, generate_container_sas

    parsed = ContainerUrl.parse(url)
    return str(
        generate_container_sas(
            account_name=parsed.account,
            container_name=parsed.container,
            account_key=account_key,
            permission=ContainerSasPermissions(read=True, list=True, create=create),
            expiry=expiry,
            protocol="https" if parsed.url.startswith("https:") else None,
        )
    )
