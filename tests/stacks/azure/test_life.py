"""The life of each stack of this repository, and of one among resources of somebody else, from nothing to nothing.

Nothing runs behind the resources (test_environments.py has the engines): each stack is what `make bootstrap` makes of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.stacks.azure.environment import BOOTSTRAP, WithoutServices
from tests.stacks.azure.provider import EmptyWorld, Provider
from tests.stacks.azure.services import AzureWorld
from tests.stacks.azure.subscription import Resource
from tests.stacks.azure.their_network import PLATFORM, their_network
from tests.stacks.project import Outcome

pytestmark = [pytest.mark.ci, pytest.mark.stack, pytest.mark.process]

GROUP = "contoso-vision"
NOTHING_CHANGED = "--expect-no-changes"


@dataclass
class Life:
    """A stack, and what was there before it came."""

    stack: WithoutServices
    theirs: dict[str, Resource] = field(default_factory=dict)

    def declare(self, **azure: object) -> None:
        """Set these settings; None takes one away."""
        config = self.stack.config()
        changed = {**config["azure"], **azure}
        self.stack.configure({**config, "azure": {name: value for name, value in changed.items() if value is not None}})

    def update(self, *options: str) -> None:
        """Update. No resource is replaced, though previews say so of roles (docs/azure.md)."""
        printed = (
            self.stack.run("up", "--yes", "--skip-preview", "--stack", self.stack.stack, *BOOTSTRAP, *options)
            .succeeded()
            .output
        )
        assert "replace" not in printed

    def preview(self, *options: str) -> Outcome:
        return self.stack.preview(*BOOTSTRAP, *options)

    def own(self, resource_type: str) -> tuple[str, Resource]:
        """The one resource of a type that the stack made."""
        ((id_, found),) = [item for item in self.stack.azure.resources(resource_type).items() if item[0] not in self.theirs]
        return id_, found

    @property
    def kept(self) -> dict[str, str]:
        """When what holds data was created."""
        types = ("storage:StorageAccount", "dbforpostgresql:Server", "app:ManagedEnvironment")
        return {id_: found["created"] for id_, found in map(self.own, types)}


def what_somebody_has(folder: Path, location: str) -> dict[str, object]:
    """Make a group, a network with DNS zones, a workspace, an identity and a registry; the settings that name them."""
    provider = Provider(folder, EmptyWorld())
    network = their_network(folder, location)

    def made(resource_type: str, **inputs: object) -> dict[str, str]:
        values = {"location": location, "resourceGroupName": PLATFORM, **inputs}
        return {"existing": provider.create(f"azure-native:{resource_type}", values)[0]}

    made("resources:ResourceGroup", resourceGroupName=GROUP)
    return {
        "resourceGroup": {"existing": GROUP},
        "network": {"existing": network},
        "logRetentionDays": None,
        "logWorkspace": made("operationalinsights:Workspace", workspaceName="contoso-logs", sku={"name": "PerGB2018"}),
        "identity": made("managedidentity:UserAssignedIdentity", resourceName="contoso-engine"),
        "containerRegistry": made("containerregistry:Registry", registryName="contoso", sku={"name": "Premium"}),
        "registry": "contoso.azurecr.io",
        "image": "contoso.azurecr.io/vision-engine:v0.1.0",
    }


@pytest.fixture(params=["dev", "staging", "prod", "prod among resources of somebody else"])
def life(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Life]:
    name, _, among_others = request.param.partition(" ")
    with AzureWorld(tmp_path / "azure") as world:
        stack = WithoutServices.of(tmp_path, name, world, {}, textile={})
        stack.configure({**stack.config(), "models": {}})
        found = Life(stack)
        if among_others:
            found.declare(**what_somebody_has(world.folder, stack.config()["azure"]["location"]))
            found.theirs = stack.azure.resources()
        yield found


def test_from_nothing_to_nothing(life: Life) -> None:
    azure, stack = life.stack.azure, life.stack
    life.update()
    life.preview("--refresh", NOTHING_CHANGED).succeeded()
    created = life.kept

    # A larger disk and a failover survive the next update, of which nobody knows that they happened.
    server, found = life.own("dbforpostgresql:Server")
    grown = 2 * found["outputs"]["storage"]["storageSizeGB"]
    azure.grow_disk(server, grown)
    if found["inputs"]["highAvailability"]["mode"] != "Disabled":
        azure.fail_over(server)
    life.declare(tags={"owner": "vision"})
    life.update()
    assert life.own("dbforpostgresql:Server")[1]["outputs"]["storage"]["storageSizeGB"] == grown
    assert life.own("storage:StorageAccount")[1]["outputs"]["tags"]["owner"] == "vision"

    # Drift is found, and put right.
    account, _ = life.own("storage:StorageAccount")
    azure.change(account, "allowBlobPublicAccess", value=True)
    assert "StorageAccount" in life.stack.refresh(*BOOTSTRAP, "--preview-only", NOTHING_CHANGED).failed().output
    life.update("--refresh")
    assert life.own("storage:StorageAccount")[1]["inputs"]["allowBlobPublicAccess"] is False
    life.preview("--refresh", NOTHING_CHANGED).succeeded()
    assert life.kept == created

    # Deleted, the Vision account blocks its name; restored, it takes later changes.
    end(life)
    assert azure.deleted()
    assert "Set `azure.restore: true`" in life.preview().failed().output
    life.declare(restore=True)
    if stack.config()["azure"].get("keyVault"):  # whose name nobody can free
        refused = life.preview().failed().output
        assert "Otherwise set `azure.names.keyVault` to another name, since purge protection keeps this one until" in refused
        life.declare(names={"keyVault": "vision-prod-again"})
    life.update()
    life.declare(tags={"owner": "somebody"})
    life.update()
    life.preview(NOTHING_CHANGED).succeeded()
    assert life.own("cognitiveservices:Account")[1]["outputs"]["tags"]["owner"] == "somebody"
    end(life)
    assert "Traceback" not in "".join(stack.printed)


def end(life: Life) -> None:
    """Destroy the stack, which leaves nothing of its own, and everything of theirs as it was."""
    life.stack.run("state", "unprotect", "--all", "--yes", "--stack", life.stack.stack).succeeded()
    life.stack.destroy().succeeded()
    assert life.stack.azure.resources() == life.theirs
