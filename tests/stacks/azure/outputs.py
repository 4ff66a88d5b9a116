"""What Azure answers about a resource: its inputs as the response has them, and what only Azure knows."""

import hashlib
import uuid
from collections.abc import Callable
from typing import Any

from tests.stacks.azure import schema
from tests.stacks.azure.catalog import kind_of
from tests.stacks.azure.filled import current, filled
from tests.stacks.azure.names import region
from tests.stacks.azure.postgresql import placed
from tests.stacks.azure.subscription import State

Values = dict[str, Any]


def respond(resource_type: str, resource_id: str, inputs: Values, old: Values, state: State, scenario: Values) -> Values:
    """The outputs of a resource. `old` are those it had, or none: what Azure made up once stays."""
    given = schema.outputs(resource_type)
    kind = kind_of(resource_type)
    outputs: Values = {key: schema.projected(value, given[key].shape) for key, value in inputs.items() if key in given}
    outputs = filled(resource_type.removeprefix("azure-native:"), outputs)
    outputs |= {
        "name": str(inputs[kind.name_property]),
        "type": kind.arm_type,
        "azureApiVersion": schema.api_version(resource_type),
    }
    if "location" in outputs:
        outputs["location"] = region(outputs["location"])
    if "provisioningState" in given:
        outputs["provisioningState"] = "Succeeded"
    if "identity" in inputs:
        outputs["identity"] = identity(inputs["identity"], old.get("identity") or {}, state, scenario)
    make = MAKERS.get(resource_type.removeprefix("azure-native:"))
    if make:
        outputs = merged(outputs, make(resource_id, outputs, old, state, scenario))
    if resource_type == "azure-native:keyvault:Secret":  # Azure never answers the value
        outputs["properties"].pop("value", None)
    answer = {key: value for key, value in outputs.items() if key in given}
    return current(resource_type.removeprefix("azure-native:"), resource_id, answer, state)


def merged(values: Values, more: Values) -> Values:
    """`values` with `more` put into it, object by object."""
    return values | {
        key: merged(values[key], value) if isinstance(value, dict) and isinstance(values.get(key), dict) else value
        for key, value in more.items()
    }


def identity(wanted: Values, old: Values, state: State, scenario: Values) -> Values:
    answer: Values = {"type": wanted.get("type", "None")}
    if "SystemAssigned" in answer["type"]:
        answer |= {"principalId": old.get("principalId") or str(uuid.uuid4()), "tenantId": scenario["tenantId"]}
    assigned = {}
    for identity_id in wanted.get("userAssignedIdentities") or []:
        known = (state.get(identity_id) or {"outputs": {}})["outputs"]
        assigned[identity_id] = {key: known.get(key, "") for key in ("clientId", "principalId")}
    return answer | ({"userAssignedIdentities": assigned} if assigned else {})


def storage_account(resource_id: str, outputs: Values, old: Values, state: State, scenario: Values) -> Values:
    name = outputs["name"]
    base = scenario.get("storageEndpoint")
    blob = f"{base.rstrip('/')}/{name}/" if base else f"https://{name}.blob.core.windows.net/"
    queues = scenario.get("queueEndpoint")
    queue = f"{queues.rstrip('/')}/{name}/" if queues else f"https://{name}.queue.core.windows.net/"
    others = {service: f"https://{name}.{service}.core.windows.net/" for service in ("dfs", "file", "table")}
    return {
        "primaryEndpoints": {"blob": blob, "queue": queue, **others, "web": f"https://{name}.z13.web.core.windows.net/"},
        "primaryLocation": outputs["location"],
        "statusOfPrimary": "available",
        "enableHttpsTrafficOnly": outputs.get("enableHttpsTrafficOnly", True),
        "minimumTlsVersion": outputs.get("minimumTlsVersion", "TLS1_0"),
    }


def blob(resource_id: str, outputs: Values, old: Values, state: State, scenario: Values) -> Values:
    account_id, _, rest = resource_id.partition("/blobServices/default/containers/")
    container, _, name = rest.partition("/blobs/")
    account = (state.get(account_id) or {"outputs": {}})["outputs"]
    return {"url": f"{account.get('primaryEndpoints', {}).get('blob', '')}{container}/{name}"}


def cognitive_account(resource_id: str, outputs: Values, old: Values, state: State, scenario: Values) -> Values:
    subdomain = (outputs.get("properties") or {}).get("customSubDomainName")
    host = f"{subdomain}.cognitiveservices.azure.com" if subdomain else f"{outputs['location']}.api.cognitive.microsoft.com"
    return {
        "properties": {**(outputs.get("properties") or {}), "endpoint": f"https://{host}/", "provisioningState": "Succeeded"}
    }


def user_assigned_identity(resource_id: str, outputs: Values, old: Values, state: State, scenario: Values) -> Values:
    return {
        "clientId": old.get("clientId") or str(uuid.uuid4()),
        "principalId": old.get("principalId") or str(uuid.uuid4()),
        "tenantId": scenario["tenantId"],
    }


def role_assignment(resource_id: str, outputs: Values, old: Values, state: State, scenario: Values) -> Values:
    # Azure knows the type of an identity of its own, and answers it when it was not given.
    return {"principalType": outputs.get("principalType", "ServicePrincipal")}


def role_definition(resource_id: str, outputs: Values, old: Values, state: State, scenario: Values) -> Values:
    empty: Values = {"actions": [], "notActions": [], "dataActions": [], "notDataActions": []}
    return {
        "description": outputs.get("description", ""),
        "permissions": [empty | permission for permission in outputs.get("permissions") or []],
        "roleType": "CustomRole",
    }


def workspace(resource_id: str, outputs: Values, old: Values, state: State, scenario: Values) -> Values:
    return {"customerId": old.get("customerId") or str(uuid.uuid4())}


def managed_environment(resource_id: str, outputs: Values, old: Values, state: State, scenario: Values) -> Values:
    mark = hashlib.sha256(resource_id.lower().encode()).hexdigest()[:8]
    is_internal = (outputs.get("vnetConfiguration") or {}).get("internal")
    return {
        "defaultDomain": f"stand-in-{mark}.{outputs['location']}.azurecontainerapps.io",
        "staticIp": "10.0.0.100" if is_internal else "203.0.113.10",
    }


def container_app(resource_id: str, outputs: Values, old: Values, state: State, scenario: Values) -> Values:
    environment_id = outputs.get("managedEnvironmentId") or outputs.get("environmentId") or ""
    domain = (state.get(environment_id) or {"outputs": {}})["outputs"].get("defaultDomain", "")
    ingress = (outputs.get("configuration") or {}).get("ingress")
    name = outputs["name"]
    revision = f"{name}--{int(old.get('latestRevisionName', '--0').rpartition('--')[2]) + 1:07d}"
    answer: Values = {"latestRevisionName": revision, "latestReadyRevisionName": revision, "runningStatus": "Running"}
    if ingress:
        internal = "" if ingress.get("external") else ".internal"
        answer["configuration"] = {"ingress": {**ingress, "fqdn": f"{name}{internal}.{domain}"}}
        answer["latestRevisionFqdn"] = f"{revision}{internal}.{domain}"
    return answer


def job(resource_id: str, outputs: Values, old: Values, state: State, scenario: Values) -> Values:
    return {"eventStreamEndpoint": f"https://{outputs['location']}.azurecontainerapps.dev{resource_id}/eventstream"}


def server(resource_id: str, outputs: Values, old: Values, state: State, scenario: Values) -> Values:
    host = f"{outputs['name']}.postgres.database.azure.com"
    return {"fullyQualifiedDomainName": host, "state": "Ready", **placed(outputs, old)}


def vault(resource_id: str, outputs: Values, old: Values, state: State, scenario: Values) -> Values:
    return {"properties": {"vaultUri": f"https://{outputs['name']}.vault.azure.net/", "provisioningState": "Succeeded"}}


def secret(resource_id: str, outputs: Values, old: Values, state: State, scenario: Values) -> Values:
    """Each request makes a new version."""
    vault_name = resource_id.rpartition("/secrets/")[0].rpartition("/")[2]
    uri = f"https://{vault_name}.vault.azure.net/secrets/{outputs['name']}"
    return {"properties": {"secretUri": uri, "secretUriWithVersion": f"{uri}/{uuid.uuid4().hex}"}}


def resource_group(resource_id: str, outputs: Values, old: Values, state: State, scenario: Values) -> Values:
    return {"properties": {"provisioningState": "Succeeded"}}


def private_endpoint(resource_id: str, outputs: Values, old: Values, state: State, scenario: Values) -> Values:
    # Azure approves what the same caller owns, as `isManual` is not.
    connections = [
        {**connection, "privateLinkServiceConnectionState": {"status": "Approved", "actionsRequired": "None"}}
        for connection in outputs.get("privateLinkServiceConnections", [])
    ]
    nic = f"{resource_id.replace('/privateEndpoints/', '/networkInterfaces/')}.nic"
    return {"privateLinkServiceConnections": connections, "networkInterfaces": [{"id": nic}]}


MAKERS: dict[str, Callable[[str, Values, Values, State, Values], Values]] = {
    "resources:ResourceGroup": resource_group,
    "storage:StorageAccount": storage_account,
    "storage:Blob": blob,
    "cognitiveservices:Account": cognitive_account,
    "managedidentity:UserAssignedIdentity": user_assigned_identity,
    "authorization:RoleAssignment": role_assignment,
    "authorization:RoleDefinition": role_definition,
    "operationalinsights:Workspace": workspace,
    "app:ManagedEnvironment": managed_environment,
    "app:ContainerApp": container_app,
    "app:Job": job,
    "dbforpostgresql:Server": server,
    "keyvault:Vault": vault,
    "keyvault:Secret": secret,
    "network:PrivateEndpoint": private_endpoint,
}
