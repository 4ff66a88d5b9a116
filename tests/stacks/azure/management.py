"""What is asked of Azure Resource Manager: roles, deleted accounts, databases, and the restore of blobs."""

import json
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tests.stacks.azure import vault
from tests.stacks.azure.authority import MANAGEMENT, Authority, NotAToken
from tests.stacks.azure.catalog import type_of
from tests.stacks.azure.directory import (
    RESOURCE_GROUP,
    ROLE_DEFINITION,
    STORAGE_ACCOUNT,
    VISION_ACCOUNT,
    Assignment,
    Directory,
    Resource,
    SharedFolder,
    is_within,
)
from tests.stacks.azure.failure import Failure
from tests.stacks.azure.front import AZURE_HOST, Answer, Body, Call, Server
from tests.stacks.azure.history import NotRestorable
from tests.stacks.azure.postgresql import Offer, capabilities, document, is_listed
from tests.stacks.azure.roles import BUILT_IN
from tests.stacks.azure.subscription import State, Subscription

AUDIENCES = (MANAGEMENT, "https://management.core.windows.net")

_AUTHORIZATION = re.compile(
    r"(?P<scope>.*)/providers/Microsoft\.Authorization/(?P<what>permissions|roleAssignments|roleDefinitions/(?P<role>[^/]+))",
    re.IGNORECASE,
)
_PROVIDER = re.compile(r"/subscriptions/[^/]+/providers/(?P<namespace>[^/]+)", re.IGNORECASE)
_REGISTER = re.compile(rf"{_PROVIDER.pattern}/register", re.IGNORECASE)
_BELOW_PROVIDER = re.compile(r"/subscriptions/[^/]+(/resourceGroups/[^/]+)?/providers/(?P<namespace>[^/]+)/", re.IGNORECASE)
_DELETED_ACCOUNT = re.compile(
    r"/subscriptions/[^/]+/providers/Microsoft\.CognitiveServices/locations/(?P<location>[^/]+)"
    r"/resourceGroups/(?P<group>[^/]+)/deletedAccounts/(?P<name>[^/]+)",
    re.IGNORECASE,
)
_ACCOUNTS = re.compile(
    r"(?P<group>/subscriptions/[^/]+/resourceGroups/[^/]+)/providers/Microsoft\.Storage/storageAccounts", re.IGNORECASE
)
_RESTORE = re.compile(rf"(?P<account>{_ACCOUNTS.pattern}/[^/]+)/restoreBlobRanges", re.IGNORECASE)
_DELETED_VAULT = re.compile(
    r"/subscriptions/[^/]+/providers/Microsoft\.KeyVault/locations/(?P<location>[^/]+)/deletedVaults/(?P<name>[^/]+)",
    re.IGNORECASE,
)
_PURGE = re.compile(rf"{_DELETED_VAULT.pattern}/purge", re.IGNORECASE)
_VAULT = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.KeyVault/vaults/(?P<name>[^/]+)", re.IGNORECASE
)
_SUBNET = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.Network/virtualNetworks/[^/]+/subnets/[^/]+", re.IGNORECASE
)
_ENVIRONMENT = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.App/managedEnvironments/[^/]+", re.IGNORECASE
)
_VISION = "Microsoft.CognitiveServices/accounts"
_OFFER = re.compile(
    r"/subscriptions/[^/]+/providers/Microsoft\.DBforPostgreSQL/locations/(?P<location>[^/]+)/capabilities", re.IGNORECASE
)
_SERVER = re.compile(
    r"(?P<id>(?P<group>/subscriptions/[^/]+/resourceGroups/[^/]+)/providers/Microsoft\.DBforPostgreSQL/flexibleServers/[^/]+)"
    r"(?P<capabilities>/capabilities)?",
    re.IGNORECASE,
)
_GROUP = re.compile(r"(?P<id>/subscriptions/[^/]+/resourceGroups/(?P<name>[^/]+))(/.*)?", re.IGNORECASE)
_FILTER = re.compile(r"atScope\(\)|assignedTo\('(?P<assigned>[^']+)'\)|principalId eq '(?P<principal>[^']+)'")


class Refused(Exception):
    """An error in ARM's shape."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.answer = Answer.of(status, {"error": {"code": code, "message": message}}, {"x-ms-failure-cause": "gateway"})


class ManagementEndpoint:
    def __init__(self, shared: SharedFolder, authority: Authority, restore: Callable[[str, Mapping[str, Any]], None]) -> None:
        """Args:
        restore: brings blobs of an account back to a point in time. Raises NotRestorable.
        """
        self._shared = shared
        self._authority = authority
        self._restore = restore
        self._server = Server(self._respond, host=AZURE_HOST, context=authority.server_context())
        self.url, self.port = self._server.url, self._server.port

    def stop(self) -> None:
        self._server.stop()

    def _respond(self, call: Call, body: Body) -> Answer:
        try:
            object_id = self._authority.claims(call.headers.get("authorization"), *AUDIENCES)["oid"]
        except NotAToken as error:
            return Answer.of(
                401,
                {"error": {"code": "InvalidAuthenticationToken", "message": f"The access token is invalid: {error}."}},
                {"WWW-Authenticate": 'Bearer authorization_uri="https://login.windows.net/"'},
            )
        try:
            if call.method == "POST" and (match := _RESTORE.fullmatch(call.path)):
                return self._restored(match["account"], object_id, json.loads(body.read()))
            if call.method == "POST" and (match := _PURGE.fullmatch(call.path)):
                return self._purged(call.path, object_id, match["name"], match["location"])
            if call.method == "POST" and (match := _REGISTER.fullmatch(call.path)):
                return self._registered(call.path, object_id, match["namespace"])
            if call.method == "PUT" and (match := _VAULT.fullmatch(call.path)):
                return self._recovered(call.path, object_id, match["name"], json.loads(body.read()))
            if call.method == "DELETE" and (account := _DELETED_ACCOUNT.fullmatch(call.path)):
                self._purge(call.path, object_id, account["name"], account["group"])
                return Answer(204)
            return Answer.of(200, reply(call, object_id, self._shared.directory()))
        except Refused as refused:
            return refused.answer

    def _restored(self, account: str, object_id: str, wanted: Mapping[str, Any]) -> Answer:
        _check(self._shared.directory(), object_id, "Microsoft.Storage/storageAccounts/restoreBlobRanges/action", account)
        try:
            self._restore(account, wanted)
        except NotRestorable as error:
            raise Refused(409, error.code, str(error)) from None
        return Answer.of(200, {"status": "Complete", "restoreId": str(uuid.uuid4()), "parameters": wanted})

    def _purged(self, path: str, object_id: str, name: str, location: str) -> Answer:
        directory = self._shared.directory()
        _check(directory, object_id, "Microsoft.KeyVault/locations/deletedVaults/purge/action", path)
        return self._changed(vault.purge, _deleted_vault(name, location, directory)["properties"]["vaultId"])

    def _registered(self, path: str, object_id: str, namespace: str) -> Answer:
        _check(self._shared.directory(), object_id, f"{namespace}/register/action", path)
        subscription = Subscription(self._shared.folder)
        missing = subscription.scenario().get("notRegistered") or []
        subscription.change_scenario({"notRegistered": [each for each in missing if each.lower() != namespace.lower()]})
        return Answer.of(200, {"namespace": namespace, "registrationState": "Registered"})

    def _recovered(self, path: str, object_id: str, name: str, wanted: Mapping[str, Any]) -> Answer:
        directory = self._shared.directory()
        _check(directory, object_id, "Microsoft.KeyVault/vaults/write", path)
        _deleted_vault(name, wanted["location"], directory)
        if wanted["properties"].get("createMode") != "recover":
            raise Refused(400, "InvalidCreateMode", "here a vault is recovered, and not made")
        return self._changed(vault.recover, path)

    def _changed(self, change: Callable[[str, State], None], resource_id: str) -> Answer:
        """The answer to a request that changes the state."""
        try:
            with Subscription(self._shared.folder).locked() as state:
                change(resource_id, state)
        except Failure as failure:
            raise Refused(failure.status, failure.code, str(failure)) from None
        return Answer.of(200, {})

    def _purge(self, path: str, object_id: str, name: str, group: str) -> None:
        """Raises Refused where no such account was deleted, or for somebody who may not purge it."""
        directory = self._shared.directory()
        _check(directory, object_id, "Microsoft.CognitiveServices/locations/resourceGroups/deletedAccounts/delete", path)
        _deleted_account(path, name, group, directory)
        with Subscription(self._shared.folder).locked() as state:
            for id_ in [
                found for found in state.deleted if found.lower().endswith(f"/{group}/providers/{_VISION}/{name}".lower())
            ]:
                del state.deleted[id_]


def reply(call: Call, object_id: str, directory: Directory) -> object:
    """The document that answers a principal's GET. Raises Refused."""
    if call.method != "GET" or "api-version" not in call.query:
        raise Refused(400, "MissingApiVersionParameter", f"{call.method} {call.path} needs an api-version, and must be a GET.")
    if not is_within(call.path, f"/subscriptions/{directory.subscription_id}"):
        raise Refused(404, "SubscriptionNotFound", f"{call.path} is not in subscription {directory.subscription_id}.")
    unregistered = {namespace.lower() for namespace in directory.scenario.get("notRegistered") or ()}
    if match := _PROVIDER.fullmatch(call.path):
        _check(directory, object_id, "Microsoft.Resources/subscriptions/providers/read", call.path)
        registered = match["namespace"].lower() not in unregistered
        return {"namespace": match["namespace"], "registrationState": "Registered" if registered else "NotRegistered"}
    if (match := _BELOW_PROVIDER.match(call.path)) and match["namespace"].lower() in unregistered:
        message = (
            f"The subscription is not registered to use namespace '{match['namespace']}'. See https://aka.ms/rps-not-found."
        )
        raise Refused(409, "MissingSubscriptionRegistration", message)
    if match := _DELETED_ACCOUNT.fullmatch(call.path):
        _check(directory, object_id, "Microsoft.CognitiveServices/locations/resourceGroups/deletedAccounts/read", call.path)
        return _deleted_account(call.path, match["name"], match["group"], directory)
    if match := _DELETED_VAULT.fullmatch(call.path):
        _check(directory, object_id, "Microsoft.KeyVault/locations/deletedVaults/read", call.path)
        return _deleted_vault(match["name"], match["location"], directory)
    if match := _ACCOUNTS.fullmatch(call.path):
        _check(directory, object_id, "Microsoft.Storage/storageAccounts/read", call.path)
        accounts = [found for found in directory.of_type(STORAGE_ACCOUNT) if is_within(found.id, match["group"])]
        return {"value": [{"id": found.id, "name": found.name} for found in accounts]}
    if _SUBNET.fullmatch(call.path):
        _check(directory, object_id, "Microsoft.Network/virtualNetworks/subnets/read", call.path)
        return _subnet(call.path, directory)
    if _ENVIRONMENT.fullmatch(call.path):
        _check(directory, object_id, "Microsoft.App/managedEnvironments/read", call.path)
        return _environment(call.path, directory)
    if match := _OFFER.fullmatch(call.path):
        _check(directory, object_id, "Microsoft.DBforPostgreSQL/locations/capabilities/read", call.path)
        if not is_listed(match["location"]):
            raise Refused(404, "ResourceNotFound", f"The location '{match['location']}' was not found.")
        return capabilities(Offer.of(match["location"], directory.scenario))
    if match := _SERVER.fullmatch(call.path):
        what = "/capabilities" if match["capabilities"] else ""
        _check(directory, object_id, f"Microsoft.DBforPostgreSQL/flexibleServers{what}/read", match["id"])
        return _database_server(match["id"], directory, of_capabilities=bool(what))
    match = _AUTHORIZATION.fullmatch(call.path)
    if match is None:
        return _resource(call.path, object_id, directory)
    scope = match["scope"]
    group = _GROUP.fullmatch(scope)
    if group and not any(found.id.lower() == group["id"].lower() for found in directory.of_type(RESOURCE_GROUP)):
        raise Refused(404, "ResourceGroupNotFound", f"Resource group '{group['name']}' could not be found.")
    if match["what"].lower() == "permissions":
        # A caller who may do nothing may still ask what, but not where it has no role at all.
        is_caller = object_id == directory.caller.principal.object_id
        if directory.caller.scope and not is_within(scope, directory.caller.scope):
            _check(directory, object_id, "Microsoft.Authorization/permissions/read", scope)
        return {"value": [_permission(directory)] if is_caller else []}
    if match["role"]:
        _check(directory, object_id, "Microsoft.Authorization/roleDefinitions/read", scope)
        made = {found.name.lower() for found in directory.of_type(ROLE_DEFINITION)}
        if match["role"].lower() not in {*BUILT_IN, *_CONTROL_ACTIONS, *made, directory.owner_role}:
            message = f"The specified role definition with ID '{match['role']}' does not exist."
            raise Refused(404, "RoleDefinitionDoesNotExist", message)
        return _role_definition(match["role"], directory)
    _check(directory, object_id, "Microsoft.Authorization/roleAssignments/read", scope)
    return {"value": [_assignment(found) for found in _assignments(scope, call.query.get("$filter", ""), directory)]}


def _check(directory: Directory, object_id: str, action: str, scope: str) -> None:
    caller = directory.caller
    if object_id != caller.principal.object_id or not caller.may(action, scope):
        raise Refused(
            403,
            "AuthorizationFailed",
            f"The client with object id '{object_id}' does not have authorization to perform action '{action}' "
            f"over scope '{scope}' or the scope is invalid.",
        )


def _permission(directory: Directory) -> dict[str, object]:
    caller = directory.caller
    return {
        "actions": list(caller.actions),
        "notActions": list(caller.not_actions),
        "dataActions": [],
        "notDataActions": [],
    }


def _assignments(scope: str, wanted: str, directory: Directory) -> Iterable[Assignment]:
    """Those at a scope, above it, and (unless `atScope()`) below it."""
    match = _FILTER.fullmatch(wanted) if wanted else None
    if wanted and match is None:
        raise Refused(400, "UnsupportedQuery", f"The filter '{wanted}' is not supported.")
    principal = (match["assigned"] or match["principal"]) if match else None
    caller = directory.caller.principal.object_id
    subscription = f"/subscriptions/{directory.subscription_id}"
    root = f"{subscription}/providers/Microsoft.Authorization"
    own = Assignment(
        f"{root}/roleAssignments/{directory.owner_role}",
        directory.caller.scope or subscription,
        caller,
        f"{root}/roleDefinitions/{directory.owner_role}",
        "ServicePrincipal",
        0,
    )
    for found in (own, *directory.assignments):
        related = is_within(scope, found.scope) or (wanted != "atScope()" and is_within(found.scope, scope))
        if related and principal in (None, found.object_id):
            yield found


def _assignment(found: Assignment) -> dict[str, object]:
    return {
        "id": found.id,
        "name": found.id.rsplit("/", 1)[-1],
        "type": "Microsoft.Authorization/roleAssignments",
        "properties": {
            "scope": found.scope,
            "roleDefinitionId": found.role_definition_id,
            "principalId": found.object_id,
            "principalType": found.principal_type,
        },
    }


_CONTROL_ACTIONS = {
    # Owner, Contributor, Role Based Access Control Administrator: (actions, notActions), as Azure has them built in.
    "8e3af657-a8ff-443c-a75c-2fe8c4bcb635": (["*"], []),
    "b24988ac-6180-42a0-ab88-20f7382dd24c": (
        ["*"],
        ["Microsoft.Authorization/*/Delete", "Microsoft.Authorization/*/Write", "Microsoft.Authorization/elevateAccess/Action"],
    ),
    "f58310d9-a9f6-439a-9e8d-f62e7b41a168": (
        ["Microsoft.Authorization/roleAssignments/write", "Microsoft.Authorization/roleAssignments/delete", "*/read"],
        [],
    ),
}


def _role_definition(role: str, directory: Directory) -> dict[str, object]:
    permission = _permission(directory)
    if role.lower() != directory.owner_role:
        actions, not_actions = _CONTROL_ACTIONS.get(role.lower(), ([], []))  # the data roles allow nothing of this kind
        permission = {**permission, "actions": actions, "notActions": not_actions}
    return {
        "id": f"/subscriptions/{directory.subscription_id}/providers/Microsoft.Authorization/roleDefinitions/{role}",
        "name": role,
        "type": "Microsoft.Authorization/roleDefinitions",
        "properties": {
            "roleName": role,
            "type": "CustomRole" if role.lower() == directory.owner_role else "BuiltInRole",
            "permissions": [permission],
            "assignableScopes": ["/"],
        },
    }


def _subnet(subnet_id: str, directory: Directory) -> dict[str, object]:
    found = directory.resource(subnet_id)
    if found is None:
        raise Refused(404, "NotFound", f"Resource {subnet_id} not found.")
    properties = {name: found.inputs[name] for name in ("addressPrefix", "addressPrefixes") if found.inputs.get(name)}
    delegations = [
        {"name": delegation["name"], "properties": {"serviceName": delegation["serviceName"]}}
        for delegation in found.inputs.get("delegations") or []
    ]
    return {"id": found.id, "name": found.id.rsplit("/", 1)[-1], "properties": {**properties, "delegations": delegations}}


def _existing(resource_id: str, directory: Directory) -> Resource:
    found = directory.resource(resource_id)
    if found is None:
        raise Refused(404, "ResourceNotFound", f"The Resource '{resource_id}' was not found.")
    return found


def _environment(environment_id: str, directory: Directory) -> dict[str, object]:
    found = _existing(environment_id, directory)
    return {"id": found.id, "name": found.name, "properties": {"vnetConfiguration": found.inputs.get("vnetConfiguration")}}


def _resource(path: str, object_id: str, directory: Directory) -> dict[str, object]:
    """Any resource, or group, by its id: only that it exists."""
    group = _GROUP.fullmatch(path)
    is_group = group is not None and group["id"] == path
    if not is_group and "/providers/" not in path:
        raise Refused(404, "InvalidResourceType", f"{path} is not played here.")
    kind = "Microsoft.Resources/subscriptions/resourceGroups" if is_group else type_of(path)
    _check(directory, object_id, f"{kind}/read", path)
    if group is not None and directory.resource(group["id"]) is None:
        raise Refused(404, "ResourceGroupNotFound", f"Resource group '{group['name']}' could not be found.")
    found = _existing(path, directory)
    return {"id": found.id, "name": found.name, "type": kind}


def _database_server(server_id: str, directory: Directory, *, of_capabilities: bool) -> dict[str, object]:
    """A server, or what it can be changed to."""
    found = _existing(server_id, directory)
    if of_capabilities:
        return capabilities(Offer.of(found.outputs["location"], directory.scenario), of_server=True)
    return document(found.id, found.outputs)


def _deleted_vault(name: str, location: str, directory: Directory) -> dict[str, Any]:
    found = vault.deleted(name, location, directory)
    if found is None:
        raise Refused(404, "DeletedVaultNotFound", f"The specified deleted vault '{name}' does not exist.")
    return found


def _deleted_account(path: str, name: str, group: str, directory: Directory) -> dict[str, object]:
    """One that the state says was deleted, in that group; one of the scenario's is deleted in every group."""
    deleted = any(
        found.get("type") == VISION_ACCOUNT and id_.lower().endswith(f"/accounts/{name}".lower()) and f"/{group}/" in id_
        for id_, found in (directory.state.get("deleted") or {}).items()
    )
    if not deleted and name not in (directory.scenario.get("softDeleted") or ()):
        raise Refused(404, "ResourceNotFound", f"The deleted account '{name}' was not found.")
    return {"id": path, "name": name, "type": "Microsoft.CognitiveServices/locations/resourceGroups/deletedAccounts"}
