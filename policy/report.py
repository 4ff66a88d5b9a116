"""`python -m policy.report STATE.json`: a stack's resources and their security-relevant properties, as a Markdown table."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from policy.rules import ConfigurationInvalid, apps, database, identity, stack, storage, vault, vision
from policy.rules.rule import HIDDEN, UNKNOWN, Resource
from policy.state import StateInvalid, resources_in, violations_of


def _target(path: str) -> Callable[[Resource], str]:
    """The resource that an ARM id names, without the subscription, which a report should not show."""

    def told(resource: Resource) -> str:
        _, provider, rest = (id_ := str(resource.at(path))).rpartition("/providers/")
        return rest.partition("/")[2] if provider else id_.rpartition("/")[2]

    return told


def _role(resource: Resource) -> str:
    role = identity.role_of(resource)
    return role.name if role else str(resource.at("roleDefinitionId")).rsplit("/", 1)[-1]


def _data_actions(resource: Resource) -> str:
    """The last parts of the data actions' names: `blobs/read`, and so on."""
    actions = [
        str(action).rpartition("/containers/")[2]
        for permission in resource.items_at("permissions")
        for action in permission.get("dataActions") or ()
    ]
    return ", ".join(actions) or "none"


def _groups(resource: Resource) -> str:
    """The resource groups that a role can be assigned in, without the subscription."""
    scopes = resource.at("assignableScopes")
    return ", ".join(str(scope).rpartition("/")[2] for scope in scopes) if isinstance(scopes, list) else shown(scopes, "none")


def _images(resource: Resource) -> str:
    return ", ".join(str(container.get("image")) for _, container in apps.containers(resource)) or "none"


def _variables(resource: Resource) -> str:
    """The variables' names only, with a note for those that refer to a secret."""
    marked = [
        f"{variable.get('name')}{' (secret)' if variable.get('secretRef') else ''}" for _, variable in apps.variables(resource)
    ]
    return ", ".join(marked) or "none"


def _thresholds(resource: Resource) -> str:
    """Percents and kinds of a budget's notifications, without the addresses."""
    notifications = resource.at("notifications")
    told = notifications.values() if isinstance(notifications, Mapping) else ()
    return (
        ", ".join(f"{each.get('threshold'):g} % {str(each.get('thresholdType', 'Actual')).lower()}" for each in told) or "none"
    )


def _given(path: str) -> Callable[[Resource], str]:
    """Whether a value that may be a secret is set."""
    return lambda resource: "given" if resource.at(path) else "none"


Property = str | tuple[str, Callable[[Resource], str]]

PROPERTIES: Mapping[str, tuple[Property, ...]] = {
    vision.ACCOUNT: (
        "kind",
        "sku.name",
        "identity.type",
        "properties.customSubDomainName",
        "properties.disableLocalAuth",
        "properties.publicNetworkAccess",
        "properties.restrictOutboundNetworkAccess",
        "properties.allowedFqdnList",
    ),
    storage.ACCOUNT: (
        "allowBlobPublicAccess",
        "allowSharedKeyAccess",
        "defaultToOAuthAuthentication",
        "enableHttpsTrafficOnly",
        "minimumTlsVersion",
        "allowCrossTenantReplication",
        "isLocalUserEnabled",
        "isSftpEnabled",
        "encryption.requireInfrastructureEncryption",
        "publicNetworkAccess",
    ),
    storage.CONTAINER: ("publicAccess",),
    storage.BLOB_SERVICE: (
        "deleteRetentionPolicy.enabled",
        "deleteRetentionPolicy.days",
        "containerDeleteRetentionPolicy.enabled",
        "containerDeleteRetentionPolicy.days",
        "isVersioningEnabled",
        "changeFeed.enabled",
        "restorePolicy.days",
    ),
    identity.ROLE_ASSIGNMENT: (("role", _role), ("scope", _target("scope")), "principalType"),
    identity.ROLE_DEFINITION: ("roleName", ("data actions", _data_actions), ("resource groups", _groups)),
    database.SERVER: (
        "network.publicNetworkAccess",
        "highAvailability.mode",
        "storage.autoGrow",
        "backup.backupRetentionDays",
        "backup.geoRedundantBackup",
        "version",
    ),
    database.FIREWALL_RULE: ("startIpAddress", "endIpAddress"),
    database.CONFIGURATION: ("configurationName", "value"),
    vault.VAULT: (
        "properties.enableRbacAuthorization",
        "properties.enablePurgeProtection",
        "properties.softDeleteRetentionInDays",
        "properties.publicNetworkAccess",
    ),
    vault.SECRET: ("secretName",),
    apps.CONTAINER_APP: (
        "identity.type",
        "configuration.ingress.external",
        "configuration.ingress.allowInsecure",
        "template.scale.minReplicas",
        ("images", _images),
        ("variables", _variables),
    ),
    apps.JOB: ("identity.type", "configuration.triggerType", ("images", _images), ("variables", _variables)),
    apps.ENVIRONMENT: ("appLogsConfiguration.destination", "vnetConfiguration.internal", "publicNetworkAccess"),
    stack.DIAGNOSTIC_SETTING: (("about", _target("resourceUri")), ("workspaceId", _given("workspaceId"))),
    stack.LOCK: ("level", ("scope", _target("scope"))),
    stack.BUDGET: ("amount", "timeGrain", ("notifications", _thresholds)),
    identity.DATASET: (("account_key", _given("account_key")), ("sas_token", _given("sas_token"))),
    stack.MODEL: ("time_budget_in_hours", "tiles"),
    stack.EVALUATION: ("require",),
}
"""The properties to show, by type. Only these are printed, so that no secret can be among them."""


def table(resources: Sequence[Resource]) -> str:
    """One row for each resource, in order of type and name; the stack itself, components and providers are left out."""
    principals = dict(principal for resource in resources for principal in _principals(resource))
    lines = ["| type | name | region | properties |", "|---|---|---|---|"]
    for resource in sorted(resources, key=lambda resource: (resource.type, resource.name)):
        if resource.type.startswith(("azure-native:", "pulumi-python:")):
            cells = (
                _short(resource.type),
                resource.name,
                shown(resource.at("location"), ""),
                "<br>".join(_properties(resource, principals)),
            )
            lines.append(f"| {' | '.join(escaped(cell) for cell in cells)} |")
    return "\n".join(lines)


def _principals(resource: Resource) -> Iterator[tuple[str, str]]:
    """The Entra identities that a resource is or has, and its name."""
    for path in ("principalId", "identity.principalId"):
        if resource.type != identity.ROLE_ASSIGNMENT and isinstance(resource.at(path), str):
            yield resource.at(path), f"{resource.name} ({_short(resource.type)})"


def _properties(resource: Resource, principals: Mapping[str, str]) -> list[str]:
    told = [
        f"{entry}: {shown(resource.at(entry), 'not set')}" if isinstance(entry, str) else f"{entry[0]}: {entry[1](resource)}"
        for entry in PROPERTIES.get(resource.type, ())
    ]
    if resource.type == identity.ROLE_ASSIGNMENT:
        told.append(f"principal: {principals.get(str(resource.at('principalId')), 'not in this stack')}")
    return [*told, "protect: true"] if resource.protect else told


def _short(type_: str) -> str:
    return type_.removeprefix("azure-native:").removeprefix("pulumi-python:dynamic/")


def shown(value: Any, absent: str) -> str:  # noqa: ANN401 - whatever JSON holds
    if value is None:
        return absent
    if value is UNKNOWN or value == HIDDEN or isinstance(value, str):
        return str(value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return json.dumps(value)


def escaped(cell: str) -> str:
    return cell.replace("|", "\\|")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m policy.report", description=__doc__)
    parser.add_argument("state", type=Path, help="JSON of `pulumi stack export`")
    parser.add_argument(
        "--config", type=Path, help="a policy configuration: also list the violations, and exit with 1 if one is mandatory"
    )
    options = parser.parse_args(arguments)
    try:
        state = json.loads(options.state.read_text())
        print(table(resources_in(state)))
        found = violations_of(state, json.loads(options.config.read_text())) if options.config else []
    except (OSError, ValueError, StateInvalid, ConfigurationInvalid) as error:
        print(f"{options.state}: {error}" if isinstance(error, (ValueError, StateInvalid)) else error, file=sys.stderr)
        return 2
    if options.config:
        print(f"\n{len(found)} violations of {options.config}" + "".join(f"\n- {violation}" for violation in found))
    return 1 if any(violation.level == "mandatory" for violation in found) else 0


if __name__ == "__main__":
    sys.exit(main())
