"""Azure's rules for names and regions.

https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules
"""

import re
from dataclasses import dataclass

from tests.stacks.azure.failure import Failure

GUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


@dataclass(frozen=True)
class NameRule:
    pattern: str
    words: str
    code: str = "InvalidResourceName"
    # Taken once, it is taken for every subscription.
    everywhere: bool = False


MONITOR = NameRule(
    r"[^*<>%&:\\?+/#|{}]{1,259}[^*<>%&:\\?+/#|{} .]|[^*<>%&:\\?+/#|{} .]", "1-260 characters, none of *<>%&:\\?+/#"
)

NAME_RULES: dict[str, NameRule] = {
    "resources:ResourceGroup": NameRule(r"[-\w._()]{0,89}[-\w_()]", "1-90 letters, digits, _-.() and no period at the end"),
    "cognitiveservices:Account": NameRule(
        r"[a-zA-Z0-9][a-zA-Z0-9_.-]{1,63}", "2-64 letters, digits, _.- that start with a letter or digit", "AccountNameInvalid"
    ),
    "storage:StorageAccount": NameRule(
        r"[a-z0-9]{3,24}", "3-24 lowercase letters and digits", "AccountNameInvalid", everywhere=True
    ),
    "storage:BlobServiceProperties": NameRule(r"default", "default"),
    "storage:ManagementPolicy": NameRule(r"default", "default"),
    "storage:BlobContainer": NameRule(
        r"(?=.{3,63}$)[a-z0-9]+(?:-[a-z0-9]+)*|\$(?:root|web|logs)",
        "3-63 lowercase letters, digits and single hyphens between them",
        "InvalidResourceName",
    ),
    "storage:Queue": NameRule(
        r"(?=.{3,63}$)[a-z0-9]+(?:-[a-z0-9]+)*", "3-63 lowercase letters, digits and single hyphens between them"
    ),
    "storage:Blob": NameRule(r".{1,1024}", "1-1024 characters"),
    "managedidentity:UserAssignedIdentity": NameRule(
        r"[a-zA-Z0-9][a-zA-Z0-9_-]{2,127}", "3-128 letters, digits, _- that start with a letter or digit"
    ),
    "authorization:RoleAssignment": NameRule(GUID, "a GUID", "InvalidRoleAssignmentId"),
    "authorization:RoleDefinition": NameRule(GUID, "a GUID", "InvalidRoleDefinitionId"),
    "authorization:ManagementLockByScope": NameRule(
        r"[\w.()-]{0,89}[\w()-]", "1-90 letters, digits, _-.() and no period at the end", "InvalidLockName"
    ),
    "consumption:Budget": NameRule(r"[a-zA-Z0-9_-]{1,63}", "1-63 letters, digits, _-"),
    "operationalinsights:Workspace": NameRule(
        r"[a-zA-Z0-9][a-zA-Z0-9-]{2,61}[a-zA-Z0-9]", "4-63 letters, digits and hyphens, no hyphen at either end"
    ),
    "containerregistry:Registry": NameRule(r"[a-zA-Z0-9]{5,50}", "5-50 letters and digits", everywhere=True),
    "app:ManagedEnvironment": NameRule(
        r"(?!.*--)[a-z](?:[a-z0-9-]{0,58}[a-z0-9])?",
        "1-60 lowercase letters, digits and single hyphens that start with a letter and end with a letter or digit",
        "ManagedEnvironmentInvalidName",
    ),
    "app:ContainerApp": NameRule(
        r"(?!.*--)[a-z][a-z0-9-]{0,30}[a-z0-9]",
        "2-32 lowercase letters, digits and single hyphens that start with a letter and end with a letter or digit",
        "ContainerAppInvalidName",
    ),
    "app:Job": NameRule(
        r"(?!.*--)[a-z][a-z0-9-]{0,30}[a-z0-9]",
        "2-32 lowercase letters, digits and single hyphens that start with a letter and end with a letter or digit",
        "ContainerAppInvalidName",
    ),
    "dbforpostgresql:Server": NameRule(
        r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]",
        "3-63 lowercase letters, digits and hyphens, no hyphen at either end",
        everywhere=True,
    ),
    "dbforpostgresql:Database": NameRule(
        r"[a-zA-Z_][a-zA-Z0-9_-]{0,62}", "1-63 letters, digits, _- that start with a letter or _"
    ),
    "dbforpostgresql:AdministratorsMicrosoftEntra": NameRule(GUID, "the object id of a principal, a GUID"),
    "dbforpostgresql:FirewallRule": NameRule(r"[a-zA-Z0-9_-]{1,128}", "1-128 letters, digits, _-"),
    "keyvault:Vault": NameRule(
        r"(?!.*--)[a-zA-Z][a-zA-Z0-9-]{1,22}[a-zA-Z0-9]",
        "3-24 letters, digits and single hyphens that start with a letter and end with a letter or digit",
        "VaultNameNotValid",
        everywhere=True,
    ),
    "keyvault:Secret": NameRule(r"[a-zA-Z0-9-]{1,127}", "1-127 letters, digits and hyphens"),
    "monitor:DiagnosticSetting": MONITOR,
    "monitor:ActionGroup": MONITOR,
    "monitor:ScheduledQueryRule": MONITOR,
    "network:VirtualNetwork": NameRule(
        r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}[a-zA-Z0-9_]", "2-64 letters, digits, _.- that end with a letter, digit or _"
    ),
    "network:Subnet": NameRule(r"[a-zA-Z0-9](?:[a-zA-Z0-9_.-]{0,78}[a-zA-Z0-9_])?", "1-80 letters, digits, _.-"),
    "network:NetworkSecurityGroup": NameRule(r"[a-zA-Z0-9](?:[a-zA-Z0-9_.-]{0,78}[a-zA-Z0-9_])?", "1-80 letters, digits, _.-"),
    "network:RouteTable": NameRule(r"[a-zA-Z0-9](?:[a-zA-Z0-9_.-]{0,78}[a-zA-Z0-9_])?", "1-80 letters, digits, _.-"),
    "network:PrivateEndpoint": NameRule(
        r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}[a-zA-Z0-9_]", "2-64 letters, digits, _.- that end with a letter, digit or _"
    ),
    "network:PrivateDnsZoneGroup": NameRule(r"[a-zA-Z0-9](?:[a-zA-Z0-9_.-]{0,78}[a-zA-Z0-9_])?", "1-80 letters, digits, _.-"),
    "privatedns:PrivateZone": NameRule(
        r"(?!-)[a-zA-Z0-9-]{1,63}(?:\.[a-zA-Z0-9-]{1,63}){1,33}",
        "2-34 labels of letters, digits and hyphens, with periods between",
    ),
    "privatedns:PrivateRecordSet": NameRule(
        r"[@*]|[a-zA-Z0-9_*](?:[a-zA-Z0-9_.-]{0,61}[a-zA-Z0-9_])?", "1-63 letters, digits, _.-"
    ),
    "privatedns:VirtualNetworkLink": NameRule(r"[a-zA-Z0-9](?:[a-zA-Z0-9_.-]{0,78}[a-zA-Z0-9_])?", "1-80 letters, digits, _.-"),
}

SUBDOMAIN = NameRule(
    r"[a-zA-Z0-9][a-zA-Z0-9-]{0,62}[a-zA-Z0-9]", "2-64 letters, digits and hyphens, no hyphen at either end", everywhere=True
)

# fmt: off
REGIONS = frozenset({
    "australiacentral", "australiacentral2", "australiaeast", "australiasoutheast", "austriaeast", "belgiumcentral",
    "brazilsouth", "brazilsoutheast", "canadacentral", "canadaeast", "centralindia", "centralus", "chilecentral",
    "denmarkeast", "eastasia", "eastus", "eastus2", "francecentral", "francesouth", "germanynorth", "germanywestcentral",
    "indonesiacentral", "israelcentral", "italynorth", "japaneast", "japanwest", "koreacentral", "koreasouth",
    "malaysiawest", "mexicocentral", "newzealandnorth", "northcentralus", "northeurope", "norwayeast", "norwaywest",
    "polandcentral", "qatarcentral", "southafricanorth", "southafricawest", "southcentralus", "southeastasia", "southindia",
    "spaincentral", "swedencentral", "switzerlandnorth", "switzerlandwest", "uaecentral", "uaenorth", "uksouth", "ukwest",
    "westcentralus", "westeurope", "westindia", "westus", "westus2", "westus3",
})
# fmt: on


def region(location: str) -> str:
    """`eastus` for `East US`: Azure takes both and answers the first."""
    return location.replace(" ", "").lower()


def check_name(resource_type: str, name: str) -> None:
    """Refuse a name that Azure refuses for this type, such as `storage:StorageAccount`."""
    rule = NAME_RULES[resource_type]
    if not re.fullmatch(rule.pattern, name):
        raise Failure(400, rule.code, f"'{name}' is not a valid name for {resource_type}: {rule.words}")


def check_subdomain(name: str) -> None:
    if not re.fullmatch(SUBDOMAIN.pattern, name):
        raise Failure(400, "CustomSubDomainNameInvalid", f"'{name}' is not a valid custom subdomain: {SUBDOMAIN.words}")


def check_region(location: str, arm_type: str, is_global: bool) -> None:
    """Refuse a region that there is not, and a region for what lies in none."""
    known = REGIONS | {"global"} if is_global else REGIONS
    if region(location) not in known:
        raise Failure(
            400,
            "LocationNotAvailableForResourceType",
            f"the provided location '{location}' is not available for resource type '{arm_type}'; the available ones are "
            f"{', '.join(sorted(known))}",
        )
