"""Azure's authorization before a real Azurite, as the project's own clients meet it."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.identity import DefaultAzureCredential
from azure.storage.blob import (
    AccountSasPermissions,
    BlobServiceClient,
    ContainerSasPermissions,
    ResourceTypes,
    generate_account_sas,
    generate_container_sas,
)

from tests.stacks.azure import directory
from tests.stacks.azure.authority import MANAGEMENT_SCOPE
from tests.stacks.azure.directory import CALLER_OBJECT_ID, write_scenario
from tests.stacks.azure.front import Call
from tests.stacks.azure.identity import Place
from tests.stacks.azure.services import AzureWorld
from tests.stacks.azure.storage import Credential, Right, account_key, credential, right
from tests.stacks.azure.written_state import ACCOUNT, CONTAINER, CONTRIBUTOR, IDENTITY, READER, State
from vision_customization.common.blob_container import API_VERSION, list_one, open_container
from vision_customization.common.errors import AccessRefused
from vision_customization.components.azure.roles import ADD_BLOBS, READ_BLOBS
from vision_customization.engine.drafts.container import StudioContainer
from vision_customization.engine.settings import Settings

pytestmark = pytest.mark.process

Credentials = Callable[..., DefaultAzureCredential]


def url(world: AzureWorld, container: str = "training") -> str:
    return f"{world.storage.url}/visiontraining/{container}"


def client(world: AzureWorld, credential: Any) -> BlobServiceClient:  # noqa: ANN401 - of four kinds
    return BlobServiceClient(
        f"{world.storage.url}/visiontraining", credential=credential, api_version=API_VERSION, retry_total=0
    )


def code(refused: pytest.ExceptionInfo[HttpResponseError]) -> tuple[int | None, str]:
    return refused.value.status_code, str(getattr(refused.value, "error_code", None))


def test_a_closed_network_refuses_whatever_the_role(world: AzureWorld, state: State, deployer: None) -> None:
    state.assign(CONTRIBUTOR, CALLER_OBJECT_ID, CONTAINER)
    list_one(url(world))
    state.resources[ACCOUNT]["inputs"]["publicNetworkAccess"] = "Disabled"
    state.write()
    list_one(url(world))
    write_scenario(world.folder, {"outsideNetwork": True})
    try:
        with pytest.raises(AccessRefused, match="network rules of the storage account do not let the caller in") as refused:
            list_one(url(world))
    finally:
        write_scenario(world.folder, {"outsideNetwork": False})
    assert refused.value.code == "AuthorizationFailure"


def test_a_role_works_once_it_is_old_enough(world: AzureWorld, state: State, credential: Credentials) -> None:
    with open_container(url(world), credential=credential()) as container:
        with pytest.raises(HttpResponseError) as refused:
            container.upload_blob("a.txt", b"a")
        assert code(refused) == (403, "AuthorizationPermissionMismatch")
        write_scenario(world.folder, {"roleDelaySeconds": 3600})
        try:
            assignment = state.assign(CONTRIBUTOR, CALLER_OBJECT_ID, CONTAINER)
            with pytest.raises(HttpResponseError) as refused:
                container.upload_blob("a.txt", b"a")
            assert code(refused) == (403, "AuthorizationPermissionMismatch")
            state.resources[assignment]["created"] -= 3601
            state.write()
            container.upload_blob("a.txt", b"a")
            assert container.download_blob("a.txt").readall() == b"a"
            assert container.exists()
        finally:
            write_scenario(world.folder, {"roleDelaySeconds": 0})
        state.remove(assignment)
        with pytest.raises(HttpResponseError) as refused:
            container.download_blob("a.txt")
        assert refused.value.status_code == 403


def test_a_reader_reads_and_lists_and_no_more(
    world: AzureWorld, state: State, credential: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    state.assign(CONTRIBUTOR, CALLER_OBJECT_ID, CONTAINER)
    state.assign(READER, "engine-object", CONTAINER)
    with open_container(url(world), credential=credential()) as container:
        container.upload_blob("folder/ö.txt", b"b", overwrite=True)
    header = world.identities.open(Place(identity_ids=(IDENTITY,)))
    monkeypatch.setenv("IDENTITY_HEADER", header)
    with open_container(url(world), credential=credential("engine-client")) as container:
        assert "folder/ö.txt" in list(container.list_blob_names())
        assert container.download_blob("folder/ö.txt").readall() == b"b"
        with pytest.raises(HttpResponseError) as refused:
            container.upload_blob("c.txt", b"c")
        assert code(refused) == (403, "AuthorizationPermissionMismatch")
    with pytest.raises(ClientAuthenticationError):  # who it is by itself: nobody
        credential().get_token("https://storage.azure.com/.default")


def test_who_may_add_blobs_neither_overwrites_nor_deletes_them(
    world: AzureWorld, state: State, credential: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    adder = "a0dde200-0000-5000-8000-000000000001"
    state.define(adder, READ_BLOBS, ADD_BLOBS)
    state.assign(adder, "engine-object", CONTAINER)
    monkeypatch.setenv("IDENTITY_HEADER", world.identities.open(Place(identity_ids=(IDENTITY,))))
    with open_container(url(world), credential=credential("engine-client")) as container:
        added = container.upload_blob("added.txt", b"first")
        assert added.download_blob().readall() == b"first"
        assert "added.txt" in list(container.list_blob_names())
        for refused_call in (
            lambda: container.upload_blob("added.txt", b"second"),
            lambda: container.upload_blob("added.txt", b"second", overwrite=True),
            lambda: added.set_blob_metadata({"a": "b"}),
            lambda: added.stage_block("0001", b"third"),
            lambda: container.delete_blob("added.txt"),
        ):
            with pytest.raises(HttpResponseError) as refused:
                refused_call()
            assert code(refused) == (403, "AuthorizationPermissionMismatch")
        assert added.download_blob().readall() == b"first"


def test_the_engine_adds_blobs_of_any_size_with_the_right_to_add_alone(
    world: AzureWorld, state: State, credential: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    adder = "a0dde200-0000-5000-8000-000000000001"
    state.define(adder, READ_BLOBS, ADD_BLOBS)
    state.assign(adder, "engine-object", CONTAINER)
    monkeypatch.setenv("IDENTITY_HEADER", world.identities.open(Place(identity_ids=(IDENTITY,))))
    monkeypatch.setenv("AZURE_CLIENT_ID", "engine-client")
    monkeypatch.setenv("NO_PROXY", "127.0.0.2")
    container = StudioContainer.open(Settings.from_environment({"VISION_ENGINE_STUDIO_CONTAINER": url(world)}))
    assert container is not None
    with closing(container):
        # More than the library's own limit, from which on it writes blocks.
        for name, data in (("small.json", b"{}"), ("large.json", BytesIO(bytes(65 * 1024 * 1024)))):
            assert container.write(name, data, "application/json")
            assert not container.write(name, b"other", "application/json")


def test_a_role_on_the_account_makes_containers_and_one_on_the_container_does_not(
    world: AzureWorld, state: State, credential: Credentials
) -> None:
    state.assign(CONTRIBUTOR, CALLER_OBJECT_ID, CONTAINER)
    with client(world, credential()) as service:
        with pytest.raises(HttpResponseError) as refused:
            service.create_container("other")
        assert code(refused) == (403, "AuthorizationPermissionMismatch")
        state.assign(CONTRIBUTOR, CALLER_OBJECT_ID, ACCOUNT)
        service.create_container("other")
        assert {"other", "training"} <= {found.name for found in service.list_containers()}
        service.delete_container("other")


def test_containers_are_there_when_arm_made_them_and_gone_when_it_removed_them(
    world: AzureWorld, state: State, credential: Credentials
) -> None:
    state.assign(CONTRIBUTOR, CALLER_OBJECT_ID, ACCOUNT)
    with open_container(url(world, "artifacts"), credential=credential()) as container:
        assert not container.exists()
        state.add(directory.CONTAINER, f"{ACCOUNT}/blobServices/default/containers/artifacts")
        assert container.exists()
        state.remove(f"{ACCOUNT}/blobServices/default/containers/artifacts")
        assert not container.exists()


@pytest.mark.usefixtures("deployer")
def test_keys_are_refused_where_the_account_takes_none(world: AzureWorld, state: State) -> None:
    key = account_key(ACCOUNT)
    until = datetime.now(UTC) + timedelta(hours=1)
    sas = generate_account_sas(
        "visiontraining", key, ResourceTypes(container=True, object=True), AccountSasPermissions(read=True, list=True), until
    )
    keyed: list[Any] = [{"account_name": "visiontraining", "account_key": key}, sas]
    keyed.append(generate_container_sas("visiontraining", "training", key, permission="rl", expiry=until))
    for allowed in (False, True):
        state.resources[ACCOUNT]["inputs"]["allowSharedKeyAccess"] = allowed
        state.write()
        for given in keyed:
            with client(world, given) as service:
                names = service.get_container_client("training").list_blob_names()
                if allowed:
                    list(names)
                    continue
                with pytest.raises(HttpResponseError) as refused:
                    list(names)
                assert code(refused) == (403, "KeyBasedAuthenticationNotPermitted")


def test_a_user_delegation_sas_does_what_its_signer_may_now(world: AzureWorld, state: State, credential: Credentials) -> None:
    on_container = state.assign(CONTRIBUTOR, CALLER_OBJECT_ID, CONTAINER)
    start, expiry = datetime.now(UTC) - timedelta(minutes=5), datetime.now(UTC) + timedelta(hours=1)
    with client(world, credential()) as service:
        with pytest.raises(HttpResponseError):  # the key is the account's to give
            service.get_user_delegation_key(start, expiry)
        on_account = state.assign(READER, CALLER_OBJECT_ID, ACCOUNT)
        key = service.get_user_delegation_key(start, expiry)
        service.get_container_client("training").upload_blob("d.txt", b"d", overwrite=True)
    sas = generate_container_sas(
        "visiontraining",
        "training",
        user_delegation_key=key,
        permission=ContainerSasPermissions(read=True, list=True),
        expiry=expiry,
    )
    with client(world, sas) as service:
        blob = service.get_blob_client("training", "d.txt")
        assert blob.download_blob().readall() == b"d"
        with pytest.raises(HttpResponseError):
            blob.upload_blob(b"e", overwrite=True)
        for assignment in (on_container, on_account):
            state.remove(assignment)
        with pytest.raises(HttpResponseError) as refused:
            blob.download_blob()
        assert refused.value.status_code == 403


def test_who_shows_nothing_or_a_token_of_somebody_else_is_refused(
    world: AzureWorld, state: State, credential: Credentials
) -> None:
    with client(world, None) as service, pytest.raises(HttpResponseError) as refused:
        service.get_blob_client("training", "a.txt").download_blob()
    assert code(refused) == (409, "PublicAccessNotPermitted")

    class OfManagement:
        def get_token(self, *_: str, **__: object) -> AccessToken:
            return credential().get_token(MANAGEMENT_SCOPE)

    with client(world, OfManagement()) as service, pytest.raises(HttpResponseError) as refused:
        service.get_blob_client("training", "a.txt").download_blob()
    assert refused.value.status_code == 401


def test_hundreds_of_images_pass_through_many_connections(world: AzureWorld, state: State, credential: Credentials) -> None:
    state.assign(CONTRIBUTOR, CALLER_OBJECT_ID, CONTAINER)
    images = {f"images/{number}.png": number.to_bytes(2, "big") * 40_000 for number in range(200)}
    begun = time.monotonic()
    with open_container(url(world), credential=credential()) as container, ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda item: container.upload_blob(item[0], item[1], overwrite=True), images.items()))
        read = dict(zip(images, threads.map(lambda name: container.download_blob(name).readall(), images), strict=True))
        assert read == images
        # Larger than one piece, and sent in blocks.
        large = b"large" * 3_000_000
        container.upload_blob("large.onnx", large, overwrite=True)
        assert container.download_blob("large.onnx").readall() == large
    print(f"400 calls of 80 kB and 15 MB: {time.monotonic() - begun:.1f} s")


@pytest.mark.parametrize(
    ("headers", "target", "expected"),
    [
        ({}, "/a/c/b", Credential.NONE),
        ({"authorization": "Bearer x"}, "/a/c/b", Credential.TOKEN),
        ({"authorization": "SharedKey a:x"}, "/a/c/b", Credential.SHARED_KEY),
        ({}, "/a/c/b?sv=1&ss=b&srt=o&sig=x", Credential.ACCOUNT_SAS),
        ({}, "/a/c/b?sv=1&sr=c&sig=x", Credential.SERVICE_SAS),
        ({}, "/a/c/b?sv=1&sr=c&skoid=o&sig=x", Credential.USER_DELEGATION_SAS),
    ],
)
def test_what_a_call_proves_itself_with(headers: dict[str, str], target: str, expected: Credential) -> None:
    assert credential(Call("GET", target, headers)) is expected


@pytest.mark.parametrize(
    ("method", "target", "container", "expected"),
    [
        ("GET", "/a/?comp=list", "", Right.READ),
        ("POST", "/a/?restype=service&comp=userdelegationkey", "", Right.DELEGATE),
        ("GET", "/a/c?restype=container&comp=list", "c", Right.READ),
        ("PUT", "/a/c?restype=container", "c", Right.WRITE),
        ("HEAD", "/a/c/b", "c", Right.READ),
        ("PUT", "/a/c/b?comp=block", "c", Right.WRITE),
        ("DELETE", "/a/c/b", "c", Right.WRITE),
    ],
)
def test_what_a_call_needs(method: str, target: str, container: str, expected: Right) -> None:
    assert right(Call(method, target, {}), container) is expected
