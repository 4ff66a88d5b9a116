"""The services of Azure in this process, and their callers."""

import os
from collections.abc import Callable, Iterator

import pytest
from azure.identity import DefaultAzureCredential

from tests.stacks.azure import directory
from tests.stacks.azure import world as told
from tests.stacks.azure.services import DATABASE, DATABASE_SERVER, AzureWorld
from tests.stacks.azure.written_state import ARTIFACTS, CONTRIBUTOR, GROUP, State, subscription


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AzureWorld]:
    folder = tmp_path_factory.mktemp("azure")
    subscription(folder)
    with AzureWorld(folder) as world:
        yield world


@pytest.fixture
def state(world: AzureWorld) -> State:
    """What is there before each test."""
    return subscription(world.folder)


@pytest.fixture
def deployer(world: AzureWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of the deployer."""
    for name in os.environ:
        if name.startswith(("AZURE_", "ARM_")):
            monkeypatch.delenv(name)
    for name, value in world.environment().items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def database_url(world: AzureWorld) -> Iterator[str]:
    """Of a database for the engine, on a server of its own whose certificate is verified."""
    server, password = f"{GROUP}/providers/Microsoft.DBforPostgreSQL/flexibleServers/vision-db", "a-password-of-it-3"
    login = {"administratorLogin": "vision", "administratorLoginPassword": password}
    address = told.apply(DATABASE_SERVER, server, login, {})["fullyQualifiedDomainName"]
    told.apply(DATABASE, f"{server}/databases/vision", {}, {})
    yield f"postgresql://vision:{password}@{address}/vision?sslmode=verify-full"
    told.remove(DATABASE_SERVER, server)


@pytest.fixture
def objects_url(world: AzureWorld, state: State) -> str:
    """Of the container of artifacts, in which the engine's identity may write."""
    state.add(directory.CONTAINER, ARTIFACTS)
    state.assign(CONTRIBUTOR, "engine-object", ARTIFACTS)
    return f"{world.storage.url}/visiontraining/artifacts"


@pytest.fixture
def credential(deployer: None) -> Iterator[Callable[[str | None], DefaultAzureCredential]]:
    """One who runs with the environment of the world, as the deployer or as a user-assigned identity."""
    opened = []

    def make(client_id: str | None = None) -> DefaultAzureCredential:
        opened.append(DefaultAzureCredential(managed_identity_client_id=client_id))
        return opened[-1]

    yield make
    for one in opened:
        one.close()
