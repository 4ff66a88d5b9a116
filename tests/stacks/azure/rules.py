"""What Azure refuses because of what there is already, or who asks: pure functions of a state."""

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from tests.stacks.azure import vault
from tests.stacks.azure.catalog import Kind, kind_of, parent_of, type_of
from tests.stacks.azure.failure import Failure, Throttled
from tests.stacks.azure.names import NAME_RULES, check_name, check_region, check_subdomain, region
from tests.stacks.azure.network import (
    check_environment,
    check_firewall,
    check_link,
    check_network,
    check_private_endpoint,
    check_server,
    check_subnet,
)
from tests.stacks.azure.postgresql import check_administrator, check_logins, check_new_server, check_server_change
from tests.stacks.azure.roles import check_role_assignment, check_role_definition, check_role_definition_unused, matches
from tests.stacks.azure.subscription import Resource, State, same

RETRY_AFTER_SECONDS = 0.02

GROUP_ID = re.compile(r"(?i)^/subscriptions/[^/]+/resourceGroups/[^/]+")


TAKEN = {"storage:StorageAccount": "StorageAccountAlreadyTaken", "keyvault:Vault": "VaultAlreadyExists"}


def authorize(action: str, scope: str, caller: dict[str, Any]) -> None:
    """Refuse what the caller's roles don't allow, and all that is not below the `scope` of those roles."""
    held = caller.get("scope")
    reaches = held is None or f"{scope}/".lower().startswith(f"{held}/".lower())
    if not reaches or not matches(action, caller["actions"]) or matches(action, caller["notActions"]):
        raise Failure(
            403,
            "AuthorizationFailed",
            f"The client '{caller['clientId']}' with object id '{caller['objectId']}' does not have authorization to perform "
            f"action '{action}' over scope '{scope}' or the scope is invalid. If access was recently granted, please refresh "
            "your credentials.",
        )


def planned_failure(
    operation: str, resource_type: str, scenario: dict[str, Any], calls: list[dict[str, Any]]
) -> Failure | None:
    """The failure that the scenario has for this call, if it has not happened often enough yet."""
    every = scenario.get("throttleEvery")
    if every and (len(calls) + 1) % every == 0:
        return Throttled(RETRY_AFTER_SECONDS)
    for rule in scenario.get("fail", []):
        if same(rule["type"].removeprefix("azure-native:"), resource_type) and rule["operation"] == operation:
            answer = failure_key(rule)
            if sum(call["answer"] == answer for call in calls) < rule.get("times", 1):
                failure = Failure(
                    rule.get("status", 500), rule.get("code", "InternalServerError"), rule.get("message", "planned")
                )
                failure.add_note(answer)
                return failure
    return None


def failure_key(rule: dict[str, Any]) -> str:
    """What stands in the record of calls when this rule has struck."""
    return json.dumps(rule, sort_keys=True)


def check_create(resource_type: str, resource_id: str, inputs: dict[str, Any], state: State, scenario: dict[str, Any]) -> None:
    """Refuse to make what Azure would refuse. `resource_type` is without `azure-native:`."""
    kind = kind_of(resource_type)
    check_name(resource_type, str(inputs[kind.name_property]))
    check_parent(resource_id, kind, state)
    if state.get(resource_id):
        raise Failure(409, "AlreadyExists", f"cannot create already existing resource '{resource_id}'")
    check_taken(resource_type, kind, inputs, state, scenario)
    check_references(resource_id, inputs, state)
    if location := inputs.get("location"):
        check_region(location, kind.arm_type, kind.is_global)
    match resource_type:
        case "authorization:RoleAssignment":
            if not exists(inputs["scope"], state):
                raise Failure(404, "ResourceNotFound", f"The scope '{inputs['scope']}' was not found.")
            check_role_assignment(inputs, state, scenario["caller"])
        case "cognitiveservices:Account":
            check_terms(inputs, scenario)
            check_soft_deleted(resource_id, inputs, state, scenario)
        case "keyvault:Vault":
            vault.check_name_is_free(inputs, state)
        case "app:ManagedEnvironment":
            check_apps_may_be_in_a_network(inputs, scenario)
        case "storage:Blob":
            check_shared_key(resource_id, state)
        case "consumption:Budget":
            check_budget_begins_now(inputs)
        case "dbforpostgresql:Server":
            check_new_server(inputs, scenario)
    check_fit(resource_type, resource_id, inputs, state)
    if resource_type == "app:ContainerApp":
        vault.check_references(inputs, state, scenario)
    if resource_type == "network:PrivateEndpoint":
        for connection in inputs.get("privateLinkServiceConnections") or []:
            check_settled(connection.get("privateLinkServiceId", ""), state, scenario, "AccountProvisioningStateInvalid", 400)


def check_update(resource_type: str, resource_id: str, inputs: dict[str, Any], state: State, scenario: dict[str, Any]) -> None:
    """Refuse a change that Azure would refuse."""
    if resource_type == "cognitiveservices:Account":
        check_settled(resource_id, state, scenario, "RequestConflict", 409)
        if at(inputs, "properties.restore"):
            raise not_restorable(resource_id)
    check_parent(resource_id, kind_of(resource_type), state)
    check_references(resource_id, inputs, state)
    present = state.get(resource_id)
    if present and resource_type == "dbforpostgresql:Server":
        check_server_change(inputs, present)
        check_logins(inputs, present)
    if present and resource_type == "storage:StorageAccount":
        check_redundancy(str(at(present["inputs"], "sku.name")), str(at(inputs, "sku.name")))
    if resource_type == "app:ContainerApp":
        vault.check_references(inputs, state, scenario)
    check_fit(resource_type, resource_id, inputs, state)


def check_redundancy(before: str, after: str) -> None:
    """An update brings data to another region or back, but a conversion of its own moves it into zones or out of them."""
    if ("ZRS" in before) != ("ZRS" in after):
        raise Failure(
            409, "StorageAccountTypeConversionNotAllowed", f"Storage account type cannot be changed from {before} to {after}."
        )


def kept_as_made(kind: Kind, old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """The request without what Azure takes no notice of, since the resource was made without it."""
    dropped = {path.partition(".")[0] for path, fixed in kind.fixed.items() if fixed.ignored_if_new and not at(old, path)}
    return {key: value for key, value in new.items() if key not in dropped or key in old}


def check_fixed(kind: Kind, old: dict[str, Any], new: dict[str, Any]) -> None:
    """Refuse another value of what can't change. What a request leaves out stays as it is."""
    for path, fixed in kind.fixed.items():
        before, after = at(old, path), at(new, path)
        if path == "location":
            before, after = region(str(before)), region(str(after))
        if after is not None and after != before:
            raise Failure(
                fixed.status, fixed.code, fixed.message.format(after if path == "location" else path.rpartition(".")[2])
            )


def at(values: object, path: str) -> object:
    """What a path such as `encryption.keySource` leads to; None if nothing is there."""
    for key in path.split("."):
        values = values.get(key) if isinstance(values, dict) else None
    return values


def check_fit(resource_type: str, resource_id: str, inputs: dict[str, Any], state: State) -> None:
    """Refuse what does not fit to the resources around it, new or changed."""
    match resource_type:
        case "authorization:RoleDefinition":
            check_role_definition(resource_id, inputs, state)
        case "storage:BlobContainer":
            check_public_access(resource_id, inputs, state)
        case "storage:BlobServiceProperties":
            check_restorable(resource_id, inputs, state)
        case "network:VirtualNetwork":
            check_network(resource_id, inputs, state)
        case "network:Subnet":
            check_subnet(resource_id, inputs, state)
        case "network:PrivateEndpoint":
            check_private_endpoint(resource_id, inputs, state)
        case "privatedns:VirtualNetworkLink":
            check_link(resource_id, inputs, state)
        case "app:ManagedEnvironment":
            check_environment(resource_id, inputs, state)
        case "dbforpostgresql:Server":
            check_server(resource_id, inputs, state)
        case "dbforpostgresql:FirewallRule":
            check_firewall(resource_id, state)
        case "dbforpostgresql:AdministratorsMicrosoftEntra":
            check_administrator(inputs, state.get(resource_id.rpartition("/administrators/")[0]))


def check_delete(resource_type: str, resource_id: str, state: State, scenario: dict[str, Any]) -> None:
    """Refuse to delete what others need, and what is locked."""
    check_unlocked(resource_type, resource_id, state)
    if resource_type == "keyvault:Secret":
        vault.check_secret_may_be_deleted(resource_id, state, scenario)
    if resource_type == "authorization:RoleDefinition":
        check_role_definition_unused(resource_id, state)
    if not kind_of(resource_type).held_by_references:
        return

    def concerns(text: str) -> bool:
        return f"{text}/".lower().startswith(f"{resource_id}/".lower())

    for other, resource in state.resources.items():
        if same(other, resource_id) or is_extension(other, resource_id):
            continue
        if concerns(other) or any(map(concerns, strings(resource["inputs"]))):
            raise Failure(409, "CannotDeleteResource", f"'{resource_id}' is in use by '{other}' and cannot be deleted")


def check_unlocked(resource_type: str, resource_id: str, state: State) -> None:
    """A lock holds its resource, all that is below and on it, and what it is in. The lock itself can be deleted."""
    if resource_type == "authorization:ManagementLockByScope":
        return
    own = f"{resource_id}/".lower()
    for lock in state.of_type("authorization:ManagementLockByScope").values():
        scope = f"{lock['inputs']['scope'].rstrip('/')}/".lower()
        if own.startswith(scope) or scope.startswith(own):
            raise Failure(
                409,
                "ScopeLocked",
                f"The scope '{resource_id}' cannot perform delete operation because following scope(s) are locked: "
                f"'{lock['inputs']['scope']}'. Please remove the lock and try again.",
            )


def is_extension(resource_id: str, of: str) -> bool:
    """Whether a role assignment or a diagnostic setting is on a resource: it goes with it."""
    return same(resource_id.rpartition("/providers/")[0], of)


def check_parent(resource_id: str, kind: Kind, state: State) -> None:
    parent = parent_of(resource_id)
    group = GROUP_ID.match(resource_id)
    if group and not same(group[0], resource_id) and not state.get(group[0]):
        raise Failure(404, "ResourceGroupNotFound", f"Resource group '{group[0].rpartition('/')[2]}' could not be found.")
    if parent and GROUP_ID.match(parent) and not exists(parent, state):
        raise Failure(
            404,
            "ParentResourceNotFound",
            f"Failed to perform '{kind.arm_type}' on '{resource_id}': the parent '{parent}' was not found",
        )


def exists(resource_id: str, state: State) -> bool:
    """Whether there is such a resource, be it declared as a part of another one."""
    if state.get(resource_id) or not GROUP_ID.match(resource_id):
        return True
    network, separator, name = resource_id.rpartition("/subnets/")
    parent = state.get(network) if separator else None
    if parent and any(same(subnet.get("name", ""), name) for subnet in parent["inputs"].get("subnets", [])):
        return True
    account, _, service = resource_id.lower().rpartition("/")[0].rpartition("/")
    is_service = resource_id.lower().endswith("/default") and service in ("blobservices", "queueservices")
    return is_service and state.get(account) is not None


def check_references(resource_id: str, inputs: dict[str, Any], state: State) -> None:
    """Refuse an id, anywhere in the properties, of something that does not exist."""
    for text in strings(inputs):
        if GROUP_ID.match(text) and not same(text, resource_id) and not exists(text, state):
            raise Failure(
                404, "LinkedResourceNotFound", f"'{resource_id}' refers to '{text}' ({type_of(text)}), which was not found"
            )


def strings(value: object) -> Iterator[str]:
    """All texts in a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from strings(item)


def check_taken(resource_type: str, kind: Kind, inputs: dict[str, Any], state: State, scenario: dict[str, Any]) -> None:
    """Refuse a name that is taken somewhere in the world."""
    taken = [name.lower() for name in scenario.get("takenNames", [])]
    if NAME_RULES[resource_type].everywhere:
        name = str(inputs[kind.name_property])
        others = [resource["outputs"].get("name", "").lower() for resource in state.of_type(resource_type).values()]
        if name.lower() in taken + others:
            raise Failure(
                409,
                TAKEN.get(resource_type, "ServerNameAlreadyExists"),
                f"the name {name} of a {resource_type} is already taken",
            )
    subdomain = (
        (inputs.get("properties") or {}).get("customSubDomainName") if resource_type == "cognitiveservices:Account" else None
    )
    if subdomain:
        check_subdomain(subdomain)
        others = [subdomain_of(account) for account in state.of_type(resource_type).values()]
        own_id = kind.id_of(inputs, scenario["subscriptionId"])
        held = [subdomain_of(account) for key, account in state.deleted.items() if not same(key, own_id)]
        if subdomain.lower() in taken + others + held:
            raise Failure(
                409,
                "CustomDomainInUse",
                f"The custom subdomain name '{subdomain}' is already used, maybe by an account that was deleted less than 48 "
                "hours ago: pick another one",
            )


def subdomain_of(account: Resource) -> str:
    return str((account["inputs"].get("properties") or {}).get("customSubDomainName", "")).lower()


def check_soft_deleted(resource_id: str, inputs: dict[str, Any], state: State, scenario: dict[str, Any]) -> None:
    deleted = any(same(known, resource_id) for known in state.deleted) or inputs["accountName"] in scenario.get(
        "softDeleted", []
    )
    restore = bool(at(inputs, "properties.restore"))
    if deleted and not restore:
        raise Failure(
            409,
            "FlagMustBeSetForRestore",
            f"An existing resource with ID '{resource_id}' has been soft-deleted. To restore the resource, you must specify "
            "'restore' to be 'true' in the property. If you don't want to restore existing resource, please purge it first.",
        )
    if restore and not deleted:
        raise not_restorable(resource_id)


def not_restorable(resource_id: str) -> Failure:
    return Failure(
        404,
        "CanNotRestoreANonExistingResource",
        f"Could not locate a resource to restore. The resource with ID '{resource_id}' doesn't exist or it is already purged.",
    )


def check_apps_may_be_in_a_network(inputs: dict[str, Any], scenario: dict[str, Any]) -> None:
    """Refuse a subnet where the subscription lacks a second resource provider."""
    subnet = (inputs.get("vnetConfiguration") or {}).get("infrastructureSubnetId")
    if subnet and "Microsoft.ContainerService" in (scenario.get("notRegistered") or []):
        raise Failure(
            409,
            "SubscriptionIsNotRegistered",
            "Subscription is not registered with the required resource providers, please register with the resource providers "
            "Microsoft.App and Microsoft.ContainerService.",
        )


def check_terms(inputs: dict[str, Any], scenario: dict[str, Any]) -> None:
    """Refuse the first account of a kind whose terms nobody in the subscription has accepted."""
    if inputs.get("kind") in scenario.get("termsNotAccepted", []):
        raise Failure(
            400,
            "ResourceKindRequireAcceptTerms",
            f"This subscription cannot create {inputs['kind']} until you agree to Responsible AI terms for this resource. "
            "You can agree to Responsible AI terms by creating a resource through the Azure Portal then trying again. "
            "For more detail go to https://aka.ms/csrainotice",
        )


def check_settled(resource_id: str, state: State, scenario: dict[str, Any], code: str, status: int) -> None:
    """Refuse what an account of Azure AI services does not take shortly after it was written: it is still `Accepted`."""
    account = state.get(resource_id)
    if account is None or account["type"] != "azure-native:cognitiveservices:Account":
        return
    if time.time() < account["written"] + scenario.get("accountSettlesSeconds", 0):
        raise Failure(
            status,
            code,
            f"Call to Microsoft.CognitiveServices/accounts failed. Error message: Account {resource_id} in state Accepted",
        )


def check_shared_key(resource_id: str, state: State) -> None:
    """azure-native uploads with the account's key (pulumi-azure-native#2015)."""
    account = state.get(resource_id.rpartition("/blobServices/")[0])
    if account and account["inputs"].get("allowSharedKeyAccess") is False:
        raise Failure(
            403, "KeyBasedAuthenticationNotPermitted", "Key based authentication is not permitted on this storage account."
        )


def check_budget_begins_now(inputs: dict[str, Any]) -> None:
    """A new budget begins within its time grain, here the current month; its updates may keep a start that is past."""
    start, now = datetime.fromisoformat(str(inputs["timePeriod"]["startDate"])), datetime.now(UTC)
    if (start.year, start.month) < (now.year, now.month):
        raise Failure(400, "400", f"Past start date should be selected within the timegrain period: {start:%Y-%m-%d}")


def check_restorable(resource_id: str, inputs: dict[str, Any], state: State) -> None:
    """A request that lowers both is judged by the days of restore that there were before it (azure-rest-api-specs#11236)."""
    account = state.get(resource_id.rpartition("/blobServices/")[0])
    restore = inputs.get("restorePolicy") or {}
    if restore.get("enabled") and account and account["inputs"].get("isHnsEnabled"):
        raise Failure(409, "ConflictFeatureEnabled", "Point-in-time restore is not supported with a hierarchical namespace.")
    before = ((state.get(resource_id) or {}).get("inputs") or {}).get("restorePolicy") or {}
    kept = inputs.get("deleteRetentionPolicy") or {}
    if before.get("enabled") and kept.get("days", 0) <= before["days"]:
        raise Failure(
            400,
            "ContainerOperationFailure",
            "Blob Delete Retention policy days should be longer than Point In Time Restore policy days.",
        )


def check_public_access(resource_id: str, inputs: dict[str, Any], state: State) -> None:
    account = state.get(resource_id.rpartition("/blobServices/")[0])
    public = inputs.get("publicAccess", "None") != "None"
    if public and account and not account["inputs"].get("allowBlobPublicAccess"):
        raise Failure(409, "PublicAccessNotPermitted", "Public access is not permitted on this storage account.")
