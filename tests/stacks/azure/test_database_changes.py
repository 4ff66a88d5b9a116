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


def test_a_stack_with_a_password_keeps_its_server_without_one(database: Database) -> None:
    """A stack of an earlier version, there and back: azure-native replaces a server that loses its administrator's login."""
    database.declare(location="centralus", database=LARGE | {"login": "password"})
    database.update()
    id_, made = database.server
    assert made["inputs"]["administratorLogin"] == "vision"
    assert database_url(database).startswith("postgresql://vision:")

    database.declare(database=LARGE)
    preview = database.apply("preview", "--diff").succeeded().output
    assert "passwordAuth" in preview
    assert "replace" not in preview
    database.update()
    after = database.server[1]
    assert after["created"] == made["created"]
    assert after["inputs"]["authConfig"] == {
        "activeDirectoryAuth": "Enabled",
        "passwordAuth": "Disabled",
        "tenantId": database.azure.subscription.scenario()["tenantId"],
    }
    assert "administratorLoginPassword" not in after["inputs"]
    assert database_url(database) == f"postgresql://vision-engine@{host_of(after)}/vision?sslmode=verify-full"
    ((administrator, entry),) = database.azure.resources("dbforpostgresql:AdministratorsMicrosoftEntra").items()
    assert administrator.startswith(f"{id_}/administrators/")
    assert entry["inputs"]["principalName"] == "vision-dev-database"
    state = database.run("stack", "export", "--show-secrets", "--stack", "dev").succeeded().output
    assert "postgresql://vision:" not in state
    assert "administratorLoginPassword" not in state
    database.apply("preview", "--expect-no-changes").succeeded()

    database.declare(database=LARGE | {"login": "password"})
    assert "replace" not in database.update().output
    assert database.server[1]["created"] == made["created"]
    assert database_url(database).startswith("postgresql://vision:")
    assert database.azure.resources("dbforpostgresql:AdministratorsMicrosoftEntra") == {}


def test_workers_are_counted_by_the_engines_identity(database: Database) -> None:
    """Without a password nobody can ask the database; a fixed number of workers needs nobody to ask."""
    database.declare(database=LARGE)
    database.update()
    (account,) = database.azure.resources("storage:StorageAccount")
    (queue,) = database.azure.resources("storage:Queue")
    assert queue == f"{account}/queueServices/default/queues/workers"
    # Azure answers the number of messages about the queue, too, and that is not drift.
    database.azure.change(queue, "approximateMessageCount", 3)
    database.apply("refresh", "--preview-only", "--expect-no-changes").succeeded()
    apps = apps_of(database)
    (rule,) = apps["worker"]["template"]["scale"]["rules"]
    (identity,) = apps["worker"]["identity"]["userAssignedIdentities"]
    assert rule["azureQueue"] == {
        "accountName": account.rpartition("/")[2],
        "queueName": "workers",
        "queueLength": 1,
        "identity": identity,
    }
    assert any(
        "974c5e8b-45b9-4653-ba55-5f855dd0fb88" in found["inputs"]["roleDefinitionId"] and found["inputs"]["scope"] == queue
        for found in database.azure.resources("authorization:RoleAssignment").values()
    )
    for app in apps.values():
        variables = {variable["name"]: variable.get("value") for variable in app["template"]["containers"][0]["env"]}
        assert variables["VISION_ENGINE_WORKER_QUEUE"].endswith("/workers")
    # The administrator's tokens reach the init container alone.
    api, worker = apps["engine"], apps["worker"]
    (settings,) = api["configuration"]["identitySettings"]
    assert settings["lifecycle"] == "Init"
    assert settings["identity"].endswith("/vision-dev-database")
    (init,) = api["template"]["initContainers"]
    assert init["args"][:4] == ["database", "grant", "--role", "vision-engine"]
    assert settings["identity"] not in worker["identity"]["userAssignedIdentities"]
    assert "initContainers" not in worker["template"]

    database.declare(engine={"minWorkers": 1, "maxWorkers": 1})
    database.update()
    assert database.azure.resources("storage:Queue") == {}
    scale = apps_of(database)["worker"]["template"]["scale"]
    assert (scale["minReplicas"], scale["maxReplicas"], scale.get("rules")) == (1, 1, None)
    assert "VISION_ENGINE_WORKER_QUEUE" not in str(apps_of(database))
    database.declare(engine={"minReplicas": 0, "maxReplicas": 2, "maxWorkers": 2})


def apps_of(database: Database) -> dict[str, Any]:
    """The inputs of the apps, by the last part of their names."""
    return {id_.rpartition("-")[2]: app["inputs"] for id_, app in database.azure.resources("app:ContainerApp").items()}


def host_of(server: Resource) -> str:
    return str(server["outputs"]["fullyQualifiedDomainName"])


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


def database_url(database: Database) -> str:
    """What the engine logs in with, in both apps: a setting, or a secret where there is a password in it."""
    urls = set()
    for app in apps_of(database).values():
        secrets = {secret["name"]: secret["value"] for secret in app["configuration"]["secrets"]}
        for variable in app["template"]["containers"][0]["env"]:
            if variable["name"] == "VISION_ENGINE_DATABASE_URL":
                urls.add(variable.get("value") or secrets[variable["secretRef"]])
    (url,) = urls
    return str(url)


def database_host(database: Database) -> str:
    return str(urlsplit(database_url(database)).hostname)


def rules_of(database: Database, server: str) -> set[str]:
    """The names of a server's firewall rules."""
    rules = database.azure.resources("dbforpostgresql:FirewallRule")
    return {id_.rpartition("/")[2] for id_ in rules if f"/{server}/" in id_}


def runbook() -> Iterator[list[str]]:
    """The commands of docs/azure-database.md, and what it puts into the stack's file (`database KEY VALUE`), in order."""
    _, _, page = (DOCS / "azure-database.md").read_text().partition("## Restore the database")
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
