"""PostgreSQL flexible servers."""

import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

from . import vault
from .rule import UNKNOWN, Resource, Rule, Settings, expect, texts_in

SERVER = "azure-native:dbforpostgresql:Server"
DATABASE = "azure-native:dbforpostgresql:Database"
ADMINISTRATOR = "azure-native:dbforpostgresql:AdministratorsMicrosoftEntra"
FIREWALL_RULE = "azure-native:dbforpostgresql:FirewallRule"
CONFIGURATION = "azure-native:dbforpostgresql:Configuration"
CONTAINER_APP, JOB = "azure-native:app:ContainerApp", "azure-native:app:Job"

AZURE_SERVICES = "0.0.0.0"  # noqa: S104 - how Azure's firewall calls "services of Azure", those of other customers included

MODES = ("Disabled", "SameZone", "ZoneRedundant")
GEO_MODES = ("Disabled", "Enabled")

SECURE_MODES = ("verify-full",)
_POSTGRESQL = re.compile(r"postgres(?:ql)?(?:\+\w+)?://\S+")

PARAMETERS = {
    "require_secure_transport": ("on",),
    "ssl_min_protocol_version": ("tlsv1.2", "tlsv1.3"),
}
"""Server parameters whose defaults are safe, and their safe values."""


def enforces_tls(resource: Resource, _settings: Settings) -> Iterator[str]:
    if resource.type == CONFIGURATION:
        allowed, value = PARAMETERS.get(str(resource.at("configurationName"))), resource.at("value")
        if allowed and value is not UNKNOWN and str(value).lower() not in allowed:
            yield f"{resource.at('configurationName')} is {value!r}; it must be {' or '.join(allowed)}"
        return
    for path, text in texts_in(resource.properties):
        for url in _POSTGRESQL.findall(text):
            if parse_qs(urlsplit(url).query).get("sslmode", ["prefer"])[-1] not in SECURE_MODES:
                yield f"{path} holds a PostgreSQL URL without sslmode={'|'.join(SECURE_MODES)}"


def opens_nothing(resource: Resource, _settings: Settings) -> Iterator[str]:
    start, end = resource.at("startIpAddress"), resource.at("endIpAddress")
    if (start, end) == (AZURE_SERVICES, AZURE_SERVICES):
        yield "it opens the database to every service in Azure, also to those of other customers"
    else:
        yield f"it opens {'some addresses' if UNKNOWN in (start, end) else f'{start} to {end}'}"


def takes_tokens_alone(resource: Resource, _settings: Settings) -> Iterator[str]:
    yield from expect(resource, "authConfig.passwordAuth", "Disabled")
    yield from expect(resource, "authConfig.activeDirectoryAuth", "Enabled")


def has_a_standby(resource: Resource, settings: Settings) -> Iterator[str]:
    mode, allowed = resource.at("highAvailability.mode"), settings.texts("modes")
    if mode is not UNKNOWN and (mode or MODES[0]) not in allowed:
        yield f"highAvailability.mode is {mode or 'not set'}; this stack allows {', '.join(allowed)}"


def grows(resource: Resource, _settings: Settings) -> Iterator[str]:
    yield from expect(resource, "storage.autoGrow", "Enabled")


def backs_up_in_allowed_regions(resource: Resource, settings: Settings) -> Iterator[str]:
    mode, allowed = resource.at("backup.geoRedundantBackup"), settings.texts("modes")
    if mode is not UNKNOWN and (mode or GEO_MODES[0]) not in allowed:
        yield f"backup.geoRedundantBackup is {mode or 'not set'}; this stack allows {', '.join(allowed)}"


def is_backed_up(resource: Resource, settings: Settings) -> Iterator[str]:
    days, least = resource.at("backup.backupRetentionDays"), settings.number("days")
    if days is not UNKNOWN and (days or 0) < least:
        yield f"backup.backupRetentionDays is {'not set' if days is None else f'{days:g}'}; it must be {least:g} or more"


RULES = (
    Rule(
        name="database-tls",
        says="PostgreSQL is reached over TLS 1.2 or later, and the engine verifies the server.",
        why="Without `sslmode`, a client can be made to fall back to plain text; with less than `verify-full`, it sends its "
        "password or token to any server that answers in the database's place.",
        fix="Leave `require_secure_transport` on, and end the engine's database URL with `?sslmode=verify-full`.",
        types=(CONFIGURATION, CONTAINER_APP, JOB, vault.SECRET),
        check=enforces_tls,
    ),
    Rule(
        name="database-firewall",
        says="The database is reached only from its subnet's network: its firewall has no rules.",
        why="The rule for Azure services admits every customer of Azure; an office's addresses may be someone else's tomorrow.",
        fix="Move the data to a server in a subnet, and remove `database.access: azureServices`.",
        types=(FIREWALL_RULE,),
        check=opens_nothing,
    ),
    Rule(
        name="database-entra-only",
        says="The database takes tokens of Microsoft Entra, and no passwords.",
        why="A password is in the stack's state and in the apps' secrets, names nobody, and works until somebody changes it. "
        "That of the engine would also be the server's administrator's.",
        fix="Set `azure.database.login: entra` for the stack (the default).",
        types=(SERVER,),
        check=takes_tokens_alone,
    ),
    Rule(
        name="database-disk-grows",
        says="The database's disk grows before it is full.",
        why="A server whose disk is full accepts no more writes.",
        fix='Set `storage.autoGrow` to "Enabled".',
        types=(SERVER,),
        check=grows,
    ),
    Rule(
        name="database-standby",
        says="The database has a standby server of a kind that the stack allows.",
        why="Without one, the engine waits until Azure has repaired or replaced the server.",
        fix="Set `highAvailability.mode` to an allowed mode that the region offers (docs/azure-database.md), or allow it with "
        "`modes`.",
        types=(SERVER,),
        settings={
            "modes": {
                "type": "array",
                "items": {"type": "string", "enum": list(MODES)},
                "minItems": 1,
                "default": list(MODES),
            }
        },
        check=has_a_standby,
    ),
    Rule(
        name="database-backup-region",
        says="The database's backups are kept where the stack allows: in its own region, or also in the paired one.",
        why="Backups in another region survive the loss of the whole region, and take the data out of it.",
        fix="Set the stack's `database.geoRedundantBackup` as allowed (this replaces the server), or allow it with `modes`.",
        types=(SERVER,),
        settings={
            "modes": {
                "type": "array",
                "items": {"type": "string", "enum": list(GEO_MODES)},
                "minItems": 1,
                "default": list(GEO_MODES),
            }
        },
        check=backs_up_in_allowed_regions,
    ),
    Rule(
        name="database-backups",
        says="The database is backed up for some days.",
        why="It holds all datasets, models and published names.",
        fix="Set `backup.backupRetentionDays`.",
        types=(SERVER,),
        settings={"days": {"type": "integer", "minimum": 7, "maximum": 35, "default": 7}},
        check=is_backed_up,
    ),
)
