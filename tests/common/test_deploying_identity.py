"""As whom an update works in Azure: as azure-native would choose."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from azure import identity

from tests.support.http_server import Handler, serving_http
from vision_customization.common import deploying_identity
from vision_customization.common.blob_container import list_one
from vision_customization.common.deploying_identity import NoDeployingIdentity, SignIn, deploying_credential
from vision_customization.common.errors import StorageError
from vision_customization.customization.cli.commands.import_project import _open_service
from vision_customization.customization.cli.connection import open_client
from vision_customization.customization.resources.connection import client

WHO = {"ARM_TENANT_ID": "tenant", "ARM_CLIENT_ID": "client"}
OIDC = {**WHO, "ARM_USE_OIDC": "true"}
EVERYTHING = {
    **OIDC,
    "ARM_USE_DEFAULT_AZURE_CREDENTIAL": "true",
    "ARM_CLIENT_CERTIFICATE_PATH": "/certificate",
    "ARM_CLIENT_SECRET": "secret",
    "ARM_USE_MSI": "true",
}


def test_the_order_is_that_of_azure_native() -> None:
    left, order = dict(EVERYTHING), []
    while (way := SignIn.chosen(left)) is not SignIn.AZURE_CLI:
        order.append(way)
        del left[way.value]
    assert order == [SignIn.DEFAULT, SignIn.CERTIFICATE, SignIn.SECRET, SignIn.OIDC, SignIn.MANAGED_IDENTITY]


@pytest.mark.parametrize(
    ("environ", "way"),
    [
        ({}, SignIn.AZURE_CLI),
        # A machine that has an identity of its own, which azure-native does not look at.
        ({"IDENTITY_ENDPOINT": "http://169.254.169.254", "AZURE_CLIENT_ID": "of the machine"}, SignIn.AZURE_CLI),
        (WHO, SignIn.AZURE_CLI),
        ({"ARM_USE_MSI": "false", "ARM_USE_OIDC": "1", "ARM_CLIENT_SECRET": ""}, SignIn.AZURE_CLI),
        ({"ARM_USE_MSI": "true"}, SignIn.MANAGED_IDENTITY),
    ],
)
def test_what_is_not_chosen_is_not_used(environ: dict[str, str], way: SignIn) -> None:
    assert SignIn.chosen(environ) is way


class Made:
    """A credential of azure-identity, with what it was made of."""

    def __init__(self, kind: str, *given: Any, **named: Any) -> None:  # noqa: ANN401 - of every kind
        self.kind, self.given, self.named = kind, given, named


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for kind in ("AzureCli", "ManagedIdentity", "ClientSecret", "Certificate", "ClientAssertion", "Default"):
        name = "DefaultAzureCredential" if kind == "Default" else f"{kind}Credential"
        monkeypatch.setattr(identity, name, lambda *given, _kind=kind, **named: Made(_kind, *given, **named))
    return


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize(
    ("environ", "kind", "given", "named"),
    [
        ({}, "AzureCli", (), {"tenant_id": "", "subscription": None, "process_timeout": 60}),
        (
            {"ARM_TENANT_ID": "tenant", "ARM_SUBSCRIPTION_ID": "sub"},
            "AzureCli",
            (),
            {"tenant_id": "tenant", "subscription": "sub", "process_timeout": 60},
        ),
        ({"ARM_USE_MSI": "true"}, "ManagedIdentity", (), {"client_id": None}),
        ({**WHO, "ARM_USE_MSI": "true"}, "ManagedIdentity", (), {"client_id": "client"}),
        ({**WHO, "ARM_CLIENT_SECRET": "secret"}, "ClientSecret", ("tenant", "client", "secret"), {}),
        (
            {**WHO, "ARM_CLIENT_CERTIFICATE_PATH": "/c.pfx", "ARM_CLIENT_CERTIFICATE_PASSWORD": "p"},
            "Certificate",
            ("tenant", "client", "/c.pfx"),
            {"password": "p"},
        ),
        ({"ARM_USE_DEFAULT_AZURE_CREDENTIAL": "true"}, "Default", (), {}),
    ],
)
def test_the_credential_is_made_of_the_variables(
    environ: dict[str, str], kind: str, given: tuple[str, ...], named: dict[str, Any]
) -> None:
    credential: Any = deploying_credential(environ)
    assert (credential.kind, credential.given, credential.named) == (kind, given, named)


@pytest.mark.usefixtures("made")
def test_a_pipelines_token_comes_from_where_azure_native_takes_it(tmp_path: Path) -> None:
    def assertion(**more: str) -> str:
        credential: Any = deploying_credential({**OIDC, **more})
        tenant, client, ask = credential.given
        assert (credential.kind, tenant, client) == ("ClientAssertion", "tenant", "client")
        return str(ask())

    file = tmp_path / "token"
    file.write_text("of the file\n")
    asked: list[tuple[str, str | None]] = []

    class GitHub(Handler):
        def respond(self) -> None:
            asked.append((self.path, self.headers["Authorization"]))
            self.answer(200, json.dumps({"value": f"of the job {len(asked)}"}).encode(), {})

        do_GET = respond  # noqa: N815

    with serving_http(GitHub) as port:
        request = {
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"http://127.0.0.1:{port}/token?api-version=2",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "bearer",
        }
        assert assertion(ARM_OIDC_TOKEN="given", ARM_OIDC_TOKEN_FILE_PATH=str(file), **request) == "given"
        assert assertion(ARM_OIDC_TOKEN_FILE_PATH=str(file), **request) == "of the file"
        assert assertion(**request) == "of the job 1"
        assert (
            assertion(ARM_OIDC_AUDIENCE="mine", **request) == "of the job 2"
        )  # a job's token lives for minutes: it is asked again
    assert asked == [
        ("/token?api-version=2&audience=api%3A%2F%2FAzureADTokenExchange", "Bearer bearer"),
        ("/token?api-version=2&audience=mine", "Bearer bearer"),
    ]
    file.unlink()
    with pytest.raises(NoDeployingIdentity, match=r"ARM_OIDC_TOKEN_FILE_PATH: .* cannot be read"):
        assertion(ARM_OIDC_TOKEN_FILE_PATH=str(file))


@pytest.mark.parametrize("answer", [(403, b"no"), (200, b"<html>"), (200, b"{}"), (200, b"[]")])
def test_a_pipeline_that_gives_no_token_is_named_without_its_secret(answer: tuple[int, bytes]) -> None:
    class Refusing(Handler):
        def respond(self) -> None:
            self.answer(*answer, {})

        do_GET = respond  # noqa: N815

    with serving_http(Refusing) as port, pytest.raises(NoDeployingIdentity) as raised:
        deploying_identity._requested_token(f"http://127.0.0.1:{port}/", "TOPSECRET", "audience")
    assert f"127.0.0.1:{port}" in str(raised.value)
    assert "TOPSECRET" not in str(raised.value)


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"ARM_CLIENT_SECRET": "TOPSECRET"}, "ARM_TENANT_ID is not set, and ARM_CLIENT_SECRET needs it"),
        ({"ARM_CLIENT_SECRET": "TOPSECRET", "ARM_TENANT_ID": "t"}, "ARM_CLIENT_ID is not set"),
        ({"ARM_USE_OIDC": "true"}, "ARM_TENANT_ID is not set, and ARM_USE_OIDC needs it"),
        (OIDC, "there is no token: set ARM_OIDC_TOKEN or .*`id-token: write`"),
    ],
)
def test_what_is_chosen_and_incomplete_is_no_other_identity(environ: dict[str, str], message: str) -> None:
    with pytest.raises(NoDeployingIdentity, match=message) as raised:
        deploying_credential(environ)
    assert "TOPSECRET" not in str(raised.value)


class Asked(BaseException):
    """No exception that a client would handle."""


@pytest.mark.parametrize(
    "call",
    [
        lambda: list_one("https://account.blob.core.windows.net/training"),
        lambda: client({"endpoint": "https://engine.example"}).get_dataset("shapes"),
        lambda: open_client("https://engine.example", None).get_dataset("shapes"),
        lambda: _open_service("https://custom.example", None).project("shapes"),
    ],
    ids=["uploads", "resources", "vision", "vision import-project"],
)
def test_uploads_and_calls_without_a_key_are_of_the_same_identity(
    monkeypatch: pytest.MonkeyPatch, call: Callable[[], object]
) -> None:
    """The preflight's is in tests/components/azure/test_whole_preflight.py, the state's in tests/toolchain/test_launcher.py."""

    class Deployer:
        def __init__(self, *_: object) -> None: ...

        def get_token(self, *_: object, **__: object) -> None:
            raise Asked

    for name in EVERYTHING:
        monkeypatch.delenv(name, raising=False)
    for name, value in {**WHO, "ARM_CLIENT_SECRET": "secret"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(identity, "ClientSecretCredential", Deployer)
    with pytest.raises(Asked):
        call()


def test_nobody_who_is_signed_in_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in EVERYTHING:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))  # no `az`
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("it waits, though no time signs anybody in"))
    with pytest.raises(StorageError, match=r"no Entra identity\. Log in with `az login`, set variables ARM_"):
        list_one("https://account.blob.core.windows.net/training")


def test_choosing_loads_no_library_of_azure() -> None:
    loaded = "any(name.startswith('azure') for name in sys.modules)"
    code = f"import sys, vision_customization.common.deploying_identity; sys.exit({loaded})"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
