"""What a destroy may leave in Azure, and how Azure is asked about it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
import requests
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError

from pipeline.leftovers import AzureRefused, Deleted, Made, ResourceManager, left, made_by, purge, wait_until_gone

SUBSCRIPTION = "/subscriptions/5"
GROUP = f"{SUBSCRIPTION}/resourceGroups/vision-dev"
SHARED = f"{SUBSCRIPTION}/resourceGroups/shared"
STORAGE = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/it"
ACCOUNT = f"{GROUP}/providers/Microsoft.CognitiveServices/accounts/vision-dev"
LOCATION = f"{SUBSCRIPTION}/providers/Microsoft.CognitiveServices/locations/eastus"
DELETED = f"{LOCATION}/resourceGroups/vision-dev/deletedAccounts/vision-dev"
KEPT = Deleted(DELETED, "2023-05-01", "DELETE")
VAULT = f"{GROUP}/providers/Microsoft.KeyVault/vaults/vision-dev-vault"
DELETED_VAULT = f"{SUBSCRIPTION}/providers/Microsoft.KeyVault/locations/centralus/deletedVaults/vision-dev-vault"
KEPT_VAULT = Deleted(DELETED_VAULT, "2023-07-01", "POST", "/purge")


class FakeManager:
    """Azure, in which the ids in `there` exist; anything else is 404. Each has these `properties`."""

    def __init__(self, *there: str, **properties: object) -> None:
        self.there = set(there)
        self.properties = properties
        self.asked: list[tuple[str, str, str]] = []

    def get(self, path: str, version: str) -> Mapping[str, Any] | None:
        self.asked.append(("GET", path, version))
        return {"id": path, "properties": self.properties} if path in self.there else None

    def send(self, method: str, path: str, version: str) -> None:
        self.asked.append((method, path, version))
        self.there.remove(path.removesuffix("/purge"))


def resource(kind: str, id_: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return {"type": kind, "id": id_, **more}


def made(kind: str, id_: str, version: str, **more: str) -> dict[str, Any]:
    return resource(f"azure-native:{kind}", id_, outputs={"azureApiVersion": version, **more})


EXPORTED = {
    "deployment": {
        "resources": [
            {"type": "pulumi:pulumi:Stack"},
            resource("pulumi:providers:azure-native", "0b"),
            resource("pulumi-python:dynamic/vision:Model", "textile-1"),
            made("resources:ResourceGroup", GROUP, "2024-03-01"),
            made("storage:StorageAccount", STORAGE, "2024-01-01"),
            made("cognitiveservices:Account", ACCOUNT, "2024-10-01", location="East US"),
            # Read, not made.
            resource("azure-native:operationalinsights:Workspace", f"{SHARED}/providers/x/workspaces/logs", external=True),
        ]
    }
}
MADE = Made((GROUP,), {GROUP: "2024-03-01", STORAGE: "2024-01-01", ACCOUNT: "2024-10-01"}, (KEPT,))

HUB = f"{SHARED}/providers/Microsoft.Network"
REGISTRY = f"{SHARED}/providers/Microsoft.ContainerRegistry/registries/contoso"
THERE = {
    "a subnet": (f"{HUB}/virtualNetworks/hub/subnets/vision-dev-apps", "2024-05-01"),
    "a link": (f"{HUB}/privateDnsZones/z/virtualNetworkLinks/vision-dev-blob", "2024-06-01"),
    "a record": (f"{HUB}/privateDnsZones/z/A/*.happy-hill", "2024-06-01"),
    "a role assignment": (f"{REGISTRY}/providers/Microsoft.Authorization/roleAssignments/1f", "2022-04-01"),
    "a role": (f"{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/2e", "2022-05-01-preview"),
    "a storage account": (f"{SHARED}/providers/Microsoft.Storage/storageAccounts/it", "2024-01-01"),
}
"""What a stack makes outside of a group of its own, with the API version of its type."""


@pytest.mark.parametrize(
    ("exported", "expected"), [(EXPORTED, MADE), ({"deployment": {}}, Made((), {}, ())), ({}, Made((), {}, ()))]
)
def test_what_a_state_says_was_made(exported: Mapping[str, Any], expected: Made) -> None:
    assert made_by(exported) == expected


@pytest.mark.parametrize("there", [(), (GROUP,), (GROUP, STORAGE)])
def test_what_is_left_of_a_group(there: tuple[str, ...]) -> None:
    assert left(MADE, FakeManager(*there)) == list(there)


def test_with_a_group_everything_in_it_is_gone() -> None:
    """One question, whatever the case in which Azure wrote the ids."""
    manager = FakeManager()
    upper = Made((GROUP,), {GROUP: "1", STORAGE.upper(): "1"}, ())
    assert left(upper, manager) == []
    assert manager.asked == [("GET", GROUP, "2021-04-01")]


@pytest.mark.parametrize(("id_", "version"), THERE.values(), ids=THERE)
def test_what_is_left_with_what_others_made(id_: str, version: str) -> None:
    """A list of a group's resources has no subnets, links, records and assignments."""
    exported = {"deployment": {"resources": [*EXPORTED["deployment"]["resources"], made("x:Y", id_, version)]}}
    manager = FakeManager(SHARED, id_)
    assert left(made_by(exported), manager) == [id_]
    assert ("GET", id_, version) in manager.asked
    assert left(made_by(exported), FakeManager(SHARED)) == []


def test_what_azure_can_not_be_asked_about_counts_as_left() -> None:
    subnet, _ = THERE["a subnet"]
    exported = {"deployment": {"resources": [resource("azure-native:network:Subnet", subnet)]}}
    assert left(made_by(exported), FakeManager()) == [subnet]


def test_a_group_that_goes_away_slowly_is_waited_for() -> None:
    manager = FakeManager(GROUP)
    assert wait_until_gone(MADE, manager, timeout_seconds=60, sleep=lambda _: manager.there.clear()) == []
    assert wait_until_gone(MADE, FakeManager(GROUP), timeout_seconds=0) == [GROUP]


def test_where_azure_keeps_a_deleted_vault() -> None:
    vault = made("keyvault:Vault", VAULT, "2023-07-01", location="Central US")
    assert made_by({"deployment": {"resources": [vault]}}).kept == (KEPT_VAULT,)


@pytest.mark.parametrize(
    ("kept", "asked"),
    [(KEPT, ("DELETE", DELETED, "2023-05-01")), (KEPT_VAULT, ("POST", f"{DELETED_VAULT}/purge", "2023-07-01"))],
)
def test_what_azure_keeps_is_purged(kept: Deleted, asked: tuple[str, str, str]) -> None:
    manager = FakeManager(kept.path)
    assert purge(replace(MADE, kept=(kept,)), manager) == [kept]
    assert asked in manager.asked
    assert purge(replace(MADE, kept=(kept,)), manager) == []


def test_a_vault_with_purge_protection_is_named() -> None:
    manager = FakeManager(DELETED_VAULT, purgeProtectionEnabled=True)
    with pytest.raises(AzureRefused, match=r"Key Vault vision-dev-vault has purge protection.*azure\.names\.keyVault"):
        purge(replace(MADE, kept=(KEPT_VAULT,)), manager)
    assert manager.there == {DELETED_VAULT}


class Slow(FakeManager):
    """Azure answers a purge with 202, and does it later."""

    def send(self, method: str, path: str, version: str) -> None:
        self.asked.append((method, path, version))


def test_a_purge_that_takes_its_time_is_waited_for() -> None:
    manager = Slow(DELETED)
    assert purge(MADE, manager, sleep=lambda _: manager.there.clear()) == [KEPT]
    with pytest.raises(AzureRefused, match="deletedAccounts/vision-dev is still there 0 s after it was purged"):
        purge(MADE, Slow(DELETED), timeout_seconds=0)


class Credential:
    def get_token(self, *scopes: str, **_: Any) -> AccessToken:  # noqa: ANN401
        assert scopes == ("https://management.azure.com/.default",)
        return AccessToken("a-token", 0)


class SignedOut:
    def get_token(self, *_scopes: str, **_: Any) -> AccessToken:  # noqa: ANN401
        raise ClientAuthenticationError("Please run 'az login'")


Answers = Callable[..., list[tuple[str, str, Any, Any]]]


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Answers:
    """Azure answers each request so from now on; returns a list that grows by each."""

    def play(status: int, body: bytes) -> list[tuple[str, str, Any, Any]]:
        answer, sent = requests.Response(), list[tuple[str, str, Any, Any]]()
        answer.status_code, answer._content = status, body

        def request(method: str, url: str, **given: Any) -> requests.Response:  # noqa: ANN401
            sent.append((method, url, given["params"], given["headers"]))
            return answer

        monkeypatch.setattr(requests, "request", request)
        return sent

    return play


def test_azure_is_asked_as_the_deploying_identity(answers: Answers) -> None:
    sent = answers(200, b'{"value": []}')
    manager = ResourceManager(Credential())
    assert manager.get("/subscriptions/5", "2021-04-01") == {"value": []}
    assert sent == [
        (
            "GET",
            "https://management.azure.com/subscriptions/5",
            {"api-version": "2021-04-01"},
            {"Authorization": "Bearer a-token"},
        )
    ]
    answers(404, b"")
    assert manager.get("/x", "1") is None
    answers(204, b"")
    manager.send("DELETE", "/x", "1")


@pytest.mark.parametrize(
    ("body", "said"),
    [(b'{"error": {"code": "AuthorizationFailed", "message": "no"}}', "AuthorizationFailed: no"), (b"<html>", "HTTP status")],
)
def test_a_refusal_says_what_was_asked(answers: Answers, body: bytes, said: str) -> None:
    answers(403, body)
    with pytest.raises(AzureRefused, match=f"DELETE /x was answered with 403: {said}") as refused:
        ResourceManager(Credential()).send("DELETE", "/x", "1")
    assert "a-token" not in str(refused.value)


def test_a_deployer_who_cannot_sign_in_is_told(answers: Answers) -> None:
    sent = answers(200, b"{}")
    with pytest.raises(AzureRefused, match=r"GET /x was not sent, since the deployer cannot sign in: Please run 'az login'"):
        ResourceManager(SignedOut()).get("/x", "1")
    assert sent == []
