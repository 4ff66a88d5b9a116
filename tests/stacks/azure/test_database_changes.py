"""The database of a real stack when Azure changes it: its disk grows, its standby takes over. Azure is played; nothing runs."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from tests.stacks.azure.environment import Environment
from tests.stacks.azure.services import AzureWorld
from tests.stacks.azure.subscription import Resource
from tests.stacks.project import Outcome
from tests.support.places import DOCS

pytestmark = [pytest.mark.stack, pytest.mark.process]

LARGE = {"sku": "Standard_D2ds_v5", "tier": "GeneralPurpose", "storageGb": 64, "highAvailability": "ZoneRedundant"}


@dataclass
class Database(Environment):
    """The stack `dev` without what calls its engine or its storage: no process stands for a resource."""

    @property
    def environment(self) -> dict[str, str]:
        return {name: value for name, value in super().environment.items() if name != "AZURE_STAND_IN_WORLD"}

    def declare(self, **azure: Any) -> None:  # noqa: ANN401
        config = self.config() | {"models": {}}
        config["azure"] |= azure
        self.configure(config)

    def apply(self, command: str, *arguments: str) -> Outcome:
        only = ("--exclude-dependents", "--exclude", "**BlobAccess**")
        return self.run(command, *only, *arguments, "--stack", self.stack)

    def update(self) -> Outcome:
        return self.apply("up", "--yes", "--skip-preview").succeeded()

    @property
    def server(self) -> tuple[str, Resource]:
        """The stack's own."""
        servers = self.azure.resources("dbforpostgresql:Server")
        ((id_, found),) = [(id_, found) for id_, found in servers.items() if "sourceServerResourceId" not in found["inputs"]]
        return id_, found


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with AzureWorld(tmp_path_factory.mktemp("azure")) as world:
        made = Database.of(tmp_path_factory.mktemp("database"), "dev", world, {}, textile={})
        assert isinstance(made, Database)
        yield made


def test_what_a_region_does_not_offer_is_said_in_a_preview(database: Database) -> None:
    database.declare(location="East US", database=LARGE)
    refused = database.apply("preview").failed().output
    assert (
        "database.highAvailability: location 'eastus' does not offer ZoneRedundant for Standard_D2ds_v5. Set it to" in refused
    )
    assert "Nothing was created" in refused
    assert "Traceback" not in refused
    assert database.azure.resources() == {}


def test_a_disk_that_grew_and_a_failover_survive_updates(database: Database) -> None:
    azure = database.azure
    database.declare(location="centralus", database=LARGE)
    database.update()
    id_, made = database.server
    zones = (made["outputs"]["availabilityZone"], made["outputs"]["highAvailability"]["standbyAvailabilityZone"])
    assert zones == ("1", "2")

    # Nobody refreshes: Pulumi's state has the size and the zones of before.
    azure.grow_disk(id_, 128)
    azure.fail_over(id_)
    database.declare(tags={"owner": "vision"})
    assert "replace" not in database.update().output
    after = database.server[1]
    assert after["created"] == made["created"]
    assert after["outputs"]["tags"]["owner"] == "vision"
    assert after["outputs"]["storage"]["storageSizeGB"] == 128
    assert after["outputs"]["availabilityZone"] == "2"

    # After a refresh, it has those of now, and nothing is left to do.
    azure.grow_disk(id_, 256)
    azure.fail_over(id_)
    database.apply("refresh", "--yes").succeeded()
    database.apply("preview", "--expect-no-changes").succeeded()

    database.declare(database=LARGE | {"storageGb": 512})
    database.update()
    grown = database.server[1]
    assert (grown["created"], grown["outputs"]["storage"]["storageSizeGB"]) == (made["created"], 512)


def database_host(database: Database) -> str:
    """Where the engine finds its database, by the secret of its app."""
    (url,) = {
        secret["value"]
        for app in database.azure.resources("app:ContainerApp").values()
        for secret in app["inputs"]["configuration"]["secrets"]
        if secret["value"].startswith("postgresql")
    }
    return str(urlsplit(url).hostname)


def rules_of(database: Database, server: str) -> set[str]:
    """The names of a server's firewall rules."""
    rules = database.azure.resources("dbforpostgresql:FirewallRule")
    return {id_.rpartition("/")[2] for id_ in rules if f"/{server}/" in id_}


def runbook() -> Iterator[list[str]]:
    """The commands of docs/azure.md, and what it puts into the stack's file (`database KEY VALUE`), in order."""
    _, _, page = (DOCS / "azure.md").read_text().partition("### Restore the database")
    for kind, block in re.findall(r"```(yaml)?\n(.*?)```", page.partition("\n## ")[0], re.DOTALL):
        if kind:
            ((key, value),) = yaml.safe_load(block)["vision-customization:azure"]["database"].items()
            yield ["database", key, value]
        else:
            yield from map(shlex.split, block.strip().splitlines())


def test_the_restore_runbook(database: Database) -> None:
    """Each command of the page, on a stack that is up; `az` is played by the stand-in, and `prod` is this stack."""
    own, made = database.server
    assert database_host(database) == made["outputs"]["fullyQualifiedDomainName"]
    done = []
    for command in runbook():
        match command:
            case ["az", "postgres", "flexible-server", "list", *_]:
                pass
            case ["az", "postgres", "flexible-server", "restore", *options]:
                given = dict(zip(options[::2], options[1::2], strict=True))
                assert given.keys() == {"--resource-group", "--source-server", "--name", "--restore-time"}
                database.azure.restore_server(own, given["--name"], given["--restore-time"])
            case ["database", key, value]:
                database.declare(database={**LARGE, "storageGb": 512, key: "not-restored"})
                assert "there is no " in database.apply("preview").failed().output
                database.declare(database={**LARGE, "storageGb": 512, key: value})
            case ["make", "up", _]:
                database.update()
            case _:
                raise AssertionError(f"the test does not know how to follow {command}")
        done.append(command[0])
    assert done == ["az", "az", "database", "make"]
    assert database_host(database) == "vision-prod-restored.postgres.database.azure.com"
    assert rules_of(database, "vision-prod-restored") == rules_of(database, own.rpartition("/")[2])
    assert database.azure.resources()[own]["created"] == made["created"]
    # Back to the stack's own server.
    database.declare(database={**LARGE, "storageGb": 512})
    database.update()
    assert database_host(database) == made["outputs"]["fullyQualifiedDomainName"]
    assert rules_of(database, "vision-prod-restored") == set()
