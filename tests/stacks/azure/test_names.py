import pytest

from tests.stacks.azure.catalog import CATALOG
from tests.stacks.azure.failure import Failure
from tests.stacks.azure.names import NAME_RULES, check_name, check_region, check_subdomain, region


@pytest.mark.parametrize(
    ("resource_type", "good", "bad"),
    [
        ("resources:ResourceGroup", ["vision", "vision_(dev)", "v" * 90], ["", "vision.", "v" * 91, "vision/dev"]),
        ("cognitiveservices:Account", ["vision-dev", "v1"], ["v", "-vision", "v" * 65, "vision dev"]),
        ("storage:StorageAccount", ["abc", "vision0123456789", "v" * 24], ["ab", "Vision", "vision-dev", "v" * 25]),
        ("storage:BlobContainer", ["training", "a-b-c", "$web"], ["ab", "Training", "a--b", "-ab", "ab-", "a" * 64]),
        ("storage:BlobServiceProperties", ["default"], ["other"]),
        ("managedidentity:UserAssignedIdentity", ["engine", "engine_1-a"], ["en", "-engine", "engine.dev"]),
        ("authorization:RoleAssignment", ["2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"], ["reader", "2a2b9908"]),
        ("containerregistry:Registry", ["contoso"], ["four", "con-toso", "a" * 51]),
        ("operationalinsights:Workspace", ["logs", "vision-logs"], ["log", "-logs", "logs-", "vision_logs"]),
        ("app:ManagedEnvironment", ["vision", "v"], ["Vision", "vision-", "1vision", "v--n", "v" * 61]),
        ("app:ContainerApp", ["engine", "e1", "vision-worker"], ["e", "Engine", "1engine", "engine-", "a--b", "e" * 33]),
        ("dbforpostgresql:Server", ["vision-dev", "abc"], ["ab", "Vision", "-vision", "vision-", "v" * 64]),
        ("dbforpostgresql:Database", ["engine", "_engine"], ["1engine", "eng ine", "e" * 64]),
        ("dbforpostgresql:FirewallRule", ["azure_services"], ["a.b", ""]),
        ("monitor:ActionGroup", ["On call", "a"], ["a/b", "a.", "a" * 261]),
        ("network:VirtualNetwork", ["vision", "v_1."[:3]], ["v", "_vision", "vision-"]),
        ("privatedns:PrivateZone", ["privatelink.blob.core.windows.net"], ["net", "a..b", "a_b.net"]),
    ],
)
def test_names(resource_type: str, good: list[str], bad: list[str]) -> None:
    for name in good:
        check_name(resource_type, name)
    for name in bad:
        with pytest.raises(Failure, match=resource_type):
            check_name(resource_type, name)


def test_each_type_has_a_rule_for_its_name() -> None:
    assert NAME_RULES.keys() == CATALOG.keys()


@pytest.mark.parametrize(
    ("location", "is_global", "allowed"),
    [
        ("eastus", False, True),
        ("East US", False, True),
        ("West Europe", False, True),
        ("eastus9", False, False),
        ("global", False, False),
        ("Global", True, True),
        ("northeurope", True, True),
    ],
)
def test_regions(location: str, is_global: bool, allowed: bool) -> None:
    if allowed:
        check_region(location, "Microsoft.Storage/storageAccounts", is_global)
    else:
        with pytest.raises(Failure, match=r"LocationNotAvailableForResourceType.*eastus, eastus2"):
            check_region(location, "Microsoft.Storage/storageAccounts", is_global)


def test_a_region_has_one_name() -> None:
    assert region("East US 2") == "eastus2"


@pytest.mark.parametrize("name", ["v", "vision.dev", "-vision", "vision-", "v" * 65])
def test_bad_subdomains(name: str) -> None:
    with pytest.raises(Failure, match="CustomSubDomainNameInvalid"):
        check_subdomain(name)
