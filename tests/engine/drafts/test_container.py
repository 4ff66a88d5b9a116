"""The container that the Studio writes to, in a real Azurite: blobs are added, and never replaced or deleted."""

import io
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from azure.core.exceptions import HttpResponseError
from pydantic import SecretStr

from tests.customization.azurite import ACCOUNT_KEY, PROGRAM, Azurite, azurite
from vision_customization.common.blob_container import container_sas, ensure_container, open_container
from vision_customization.contract.enums import AuthenticationKind
from vision_customization.engine.drafts.container import StudioContainer
from vision_customization.engine.drafts.errors import ContainerRefuses
from vision_customization.engine.errors import SettingsError
from vision_customization.engine.settings import Settings

pytestmark = [pytest.mark.process, pytest.mark.skipif(PROGRAM is None, reason="Azurite is not installed: make setup")]
SOON = datetime.now(UTC) + timedelta(hours=1)


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    with azurite(tmp_path_factory.mktemp("azurite")) as running:
        yield running


@pytest.fixture(scope="module")
def url(storage: Azurite) -> str:
    url = storage.container("studio")
    ensure_container(url, account_key=ACCOUNT_KEY)
    return url


def opened(url: str, *, create: bool = True, expiry: datetime = SOON) -> StudioContainer:
    token = container_sas(url, ACCOUNT_KEY, expiry, create=create)
    container = StudioContainer.open(Settings.from_environment({}, studio_container=SecretStr(f"{url}?{token}")))
    assert container is not None
    return container


def test_a_blob_is_added_once(url: str) -> None:
    with closing(opened(url)) as container:
        assert container.url == url
        assert container.authentication[0] is AuthenticationKind.SAS
        assert container.write("annotations/1.json", b"{}", "application/json")
        assert not container.write("annotations/1.json", b"other", "application/json")
        assert container.write("annotations/2.json", io.BytesIO(b"[]"), "application/json")
    with open_container(url, account_key=ACCOUNT_KEY) as client:
        assert client.download_blob("annotations/1.json").readall() == b"{}"
        assert client.download_blob("annotations/2.json").readall() == b"[]"


def test_the_token_of_a_stack_neither_replaces_nor_deletes(url: str) -> None:
    token = container_sas(url, ACCOUNT_KEY, SOON, create=True)
    with open_container(url, sas_token=token) as client:
        client.upload_blob("images/1.png", b"first")
        for change in (
            lambda: client.upload_blob("images/1.png", b"second", overwrite=True),
            lambda: client.delete_blob("images/1.png"),
        ):
            with pytest.raises(HttpResponseError) as refused:
                change()
            assert refused.value.status_code == 403
        assert client.download_blob("images/1.png").readall() == b"first"


@pytest.mark.parametrize(
    ("create", "expiry"), [(False, SOON), (True, datetime.now(UTC) - timedelta(hours=1))], ids=["may only read", "expired"]
)
def test_a_refusal_names_the_container_and_the_right_but_no_token(url: str, create: bool, expiry: datetime) -> None:
    with closing(opened(url, create=create, expiry=expiry)) as container, pytest.raises(ContainerRefuses) as refused:
        container.write("images/new.png", b"1", "image/png")
    message = str(refused.value)
    assert url in message
    assert "right to create blobs" in message
    assert "sig=" not in message


def test_a_container_that_does_not_answer(storage: Azurite) -> None:
    token = container_sas(storage.container("studio"), ACCOUNT_KEY, SOON, create=True)
    address = SecretStr(f"http://127.0.0.1:9/account/studio?{token}")
    container = StudioContainer.open(Settings.from_environment({}, studio_container=address))
    assert container is not None
    with closing(container), pytest.raises(ContainerRefuses, match="can't be reached"):
        container.write("images/new.png", b"1", "image/png")


@pytest.mark.parametrize(
    "address",
    [
        "http://account.blob.core.windows.net/training",
        "https://account.blob.core.windows.net",
        "https://account.blob.core.windows.net/training?not-a-token",
        "training",
    ],
)
def test_an_address_that_is_no_containers(address: str) -> None:
    with pytest.raises(SettingsError, match="VISION_ENGINE_STUDIO_CONTAINER"):
        Settings.from_environment({"VISION_ENGINE_STUDIO_CONTAINER": address})


def test_without_a_token_the_engine_needs_an_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("IDENTITY_ENDPOINT", "MSI_ENDPOINT", "AZURE_FEDERATED_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    settings = Settings.from_environment({}, studio_container=SecretStr("https://account.blob.core.windows.net/training"))
    with pytest.raises(SettingsError, match="no managed identity"):
        StudioContainer.open(settings)
    assert StudioContainer.open(Settings.from_environment({})) is None
