"""Rules for a stack as a whole: private network, diagnostics, protection, gates, a budget."""

from collections.abc import Iterator, Mapping, Sequence

from . import database, storage, vault, vision
from .apps import ENVIRONMENT
from .rule import UNKNOWN, Resource, Rule, Settings, StackRule, expect

PRIVATE_ENDPOINT = "azure-native:network:PrivateEndpoint"
DIAGNOSTIC_SETTING = "azure-native:monitor:DiagnosticSetting"

LOCK = "azure-native:authorization:ManagementLockByScope"
BUDGET = "azure-native:consumption:Budget"

MODEL = "pulumi-python:dynamic/vision:Model"
EVALUATION = "pulumi-python:dynamic/vision:Evaluation"
PUBLISHED_MODEL = "pulumi-python:dynamic/vision:PublishedModel"

CLOSABLE = {
    vision.ACCOUNT: "properties.publicNetworkAccess",
    storage.ACCOUNT: "publicNetworkAccess",
    database.SERVER: "network.publicNetworkAccess",
    vault.VAULT: "properties.publicNetworkAccess",
}
"""Resources that are reachable from the internet, and the property that prevents it."""

OBSERVED = (vision.ACCOUNT, storage.ACCOUNT, database.SERVER, vault.VAULT)
DATA = (storage.ACCOUNT, storage.CONTAINER, database.SERVER, database.DATABASE)


LOCKED = (storage.ACCOUNT, database.SERVER)
TAGGED = tuple(
    f"azure-native:{name}"
    for name in (
        "app:ContainerApp",
        "app:Job",
        "app:ManagedEnvironment",
        "cognitiveservices:Account",
        "dbforpostgresql:Server",
        "keyvault:Vault",
        "managedidentity:UserAssignedIdentity",
        "monitor:ActionGroup",
        "monitor:ScheduledQueryRule",
        "network:NetworkSecurityGroup",
        "network:PrivateEndpoint",
        "network:VirtualNetwork",
        "operationalinsights:Workspace",
        "privatedns:PrivateZone",
        "resources:ResourceGroup",
        "storage:StorageAccount",
    )
)


def is_closed(resources: Sequence[Resource], settings: Settings) -> Iterator[tuple[Resource | None, str]]:
    endpoints = [resource for resource in resources if resource.type == PRIVATE_ENDPOINT]
    if not endpoints and not settings.flag("required"):
        return
    for resource in resources:
        if resource.type == database.FIREWALL_RULE:
            yield resource, "a database in a private network has no firewall rules"
        if resource.type not in CLOSABLE:
            continue
        in_subnet = resource.type == database.SERVER and resource.at("network.delegatedSubnetResourceId")
        if in_subnet:
            continue  # it has no public address to disable
        for problem in expect(resource, CLOSABLE[resource.type], "Disabled"):
            yield resource, problem
        if not any(resource.key in endpoint.depends_on for endpoint in endpoints):
            yield resource, "it has no private endpoint"


def is_observed(resources: Sequence[Resource], _settings: Settings) -> Iterator[tuple[Resource | None, str]]:
    diagnostics = [resource for resource in resources if resource.type == DIAGNOSTIC_SETTING]
    for resource in resources:
        if resource.type in OBSERVED and not any(resource.key in setting.depends_on for setting in diagnostics):
            yield resource, "it has no DiagnosticSetting"
        if resource.type == ENVIRONMENT:
            for problem in expect(resource, "appLogsConfiguration.destination", "log-analytics", "azure-monitor"):
                yield resource, problem
    for setting in diagnostics:
        if not setting.at("workspaceId"):
            yield setting, "workspaceId is not set; it must be a Log Analytics workspace"


def is_protected(resource: Resource, _settings: Settings) -> Iterator[str]:
    if resource.protect is False:
        yield "the option protect is not set"


def has_gates(resources: Sequence[Resource], _settings: Settings) -> Iterator[tuple[Resource | None, str]]:
    gates = {resource.key for resource in resources if resource.type == EVALUATION and resource.at("require")}
    for published in resources:
        if published.type == PUBLISHED_MODEL and not published.depends_on & gates:
            yield published, "it depends on no Evaluation with `require`"


def is_within_budget(resources: Sequence[Resource], settings: Settings) -> Iterator[tuple[Resource | None, str]]:
    budgets = [resource.at("time_budget_in_hours") for resource in resources if resource.type == MODEL]
    total = sum(float(hours) for hours in budgets if hours is not UNKNOWN and hours is not None)
    most = settings.number("hours")
    if total > most:
        yield None, f"the time budgets of its {len(budgets)} models add up to {total:g} hours; the stack may spend {most:g}"


def is_locked(resources: Sequence[Resource], _settings: Settings) -> Iterator[tuple[Resource | None, str]]:
    locks = [resource for resource in resources if resource.type == LOCK]
    for resource in resources:
        if resource.type in LOCKED and not any(resource.key in lock.depends_on for lock in locks):
            yield resource, "it has no lock against deletion"
    for lock in locks:
        for problem in expect(lock, "level", "CanNotDelete", "ReadOnly"):
            yield lock, problem


def has_budget(resources: Sequence[Resource], _settings: Settings) -> Iterator[tuple[Resource | None, str]]:
    budgets = [resource for resource in resources if resource.type == BUDGET]
    if not budgets and any(resource.type == storage.ACCOUNT for resource in resources):
        yield None, "it has no Budget, so nobody hears of its costs before the bill"
    for budget in budgets:
        if not notified(budget.at("notifications")):
            yield budget, "notifications has no enabled one with contactEmails"


def notified(notifications: object) -> bool:
    if notifications is UNKNOWN:
        return True
    told = notifications.values() if isinstance(notifications, Mapping) else ()
    return any(each.get("enabled") and each.get("contactEmails") for each in told)


def has_tags(resource: Resource, settings: Settings) -> Iterator[str]:
    tags = resource.at("tags")
    if tags is UNKNOWN:
        return
    missing = [name for name in settings.texts("tags") if not (tags or {}).get(name)]
    if missing:
        yield f"tags has no {', '.join(missing)}"


RULES = (
    StackRule(
        name="private-network",
        says="With a private network, storage, Vision and the database are reachable only through private endpoints.",
        why="A private endpoint protects nothing if public access stays open.",
        fix="Set `privateNetwork: true` for the stack, which creates the endpoints and sets `publicNetworkAccess` to Disabled.",
        types=(*CLOSABLE, database.FIREWALL_RULE, PRIVATE_ENDPOINT),
        settings={"required": {"type": "boolean", "default": False}},
        check=is_closed,
    ),
    StackRule(
        name="diagnostics",
        says="Vision, storage, the database and the apps send their logs to Log Analytics.",
        why="Without logs, you can't find out later who read which image.",
        fix="Declare a DiagnosticSetting with `workspaceId` for each, and `appLogsConfiguration` for the apps' environment.",
        types=(*OBSERVED, ENVIRONMENT, DIAGNOSTIC_SETTING),
        check=is_observed,
    ),
    Rule(
        name="protected-data",
        says="An update can't delete resources that hold data.",
        why="Renaming a resource deletes it with all its data.",
        fix="Set `protect: true` for the stack.",
        types=DATA,
        check=is_protected,
    ),
    StackRule(
        name="data-locks",
        says="Nobody can delete the storage account and the database server, whatever their role.",
        why="`protect` holds only what Pulumi does; a lock also holds the portal, the Azure CLI and other programs.",
        fix="Set `locks: true` for the stack.",
        types=(*LOCKED, LOCK),
        check=is_locked,
    ),
    StackRule(
        name="cost-budget",
        says="Somebody gets mail when a month costs more than planned.",
        why="A forgotten replica or a busy autoscaler shows on the bill only after a month.",
        fix="Set `monthlyBudget` and `alertEmails` for the stack.",
        types=(storage.ACCOUNT, BUDGET),
        check=has_budget,
    ),
    Rule(
        name="required-tags",
        says="Each resource that can have tags has those that the stack requires.",
        why="Without an owner and a cost centre, nobody knows whom to ask about a resource, or who pays.",
        fix="Set them under `tags` for the stack.",
        types=TAGGED,
        settings={"tags": {"type": "array", "items": {"type": "string"}, "default": ["project", "stack"]}},
        check=has_tags,
    ),
    StackRule(
        name="gates",
        says="Each published model has passed a gate.",
        why="Without a gate, the latest model answers, however bad it is.",
        fix="Give the model an `evaluationDataset` and `require`.",
        types=(PUBLISHED_MODEL, EVALUATION),
        check=has_gates,
    ),
    StackRule(
        name="budget-ceiling",
        says="The models' time budgets stay below what the stack may spend.",
        why="Training costs machine time, and a forgotten model is trained again at each change of its data.",
        fix="Lower `timeBudgetInHours`, remove models, or raise `hours` in the stack's policy configuration.",
        types=(MODEL,),
        settings={"hours": {"type": "number", "minimum": 0, "default": 8}},
        check=is_within_budget,
    ),
)
