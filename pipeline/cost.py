"""What a stack's resources in Azure cost a month, by list prices: an estimate with a lower and an upper end.

At rest, each app has its minimum number of replicas all month, and they are idle. Under load, each has its maximum number of
replicas all month, and all are busy. What depends on use alone (stored data, logs, traffic) is named, not counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.billing import BILLED, FREE
from pipeline.cells import code, table
from pipeline.prices import Price, PriceList

HOURS = 730
"""A month, as Azure's pricing pages count it."""
SECONDS = HOURS * 3600

APPS, DATABASE, LOGS, ALERTS = "Azure Container Apps", "Azure Database for PostgreSQL", "Log Analytics", "Azure Monitor"
GRANTS = {"vCPU": 180_000, "Memory": 360_000}
"""vCPU-seconds and GiB-seconds that each subscription has free every month (azure-docs, articles/container-apps/billing.md)."""


@dataclass(frozen=True)
class Billable:
    """A resource: its name, its type without the package (`app:ContainerApp`), and its properties as Azure names them."""

    name: str
    type: str
    properties: Mapping[str, Any]

    @property
    def region(self) -> str:
        """Empty where a preview does not know it, and for what is in no region."""
        return str(self.properties.get("location") or "")


@dataclass(frozen=True)
class Quantity:
    """Units of a meter in a month. Where idle units have a meter of their own, `idle_meter` counts those at rest."""

    service: str
    meter: str
    at_rest: float
    under_load: float
    idle_meter: str | None = None


@dataclass(frozen=True)
class Line:
    """The cost of a resource in US dollars a month, and what is counted."""

    name: str
    type: str
    counted: str
    at_rest: float
    under_load: float


@dataclass(frozen=True)
class Estimate:
    """`not_counted` holds name, type and reason of each resource that costs more than its line says, or has none."""

    lines: tuple[Line, ...]
    not_counted: tuple[tuple[str, str, str], ...]
    prices: tuple[Price, ...]

    @property
    def unpriced(self) -> int:
        """How many resources are not counted at all, although they cost something without any use."""
        counted = {(line.name, line.type) for line in self.lines}
        named = {(name, kind) for name, kind, _ in self.not_counted if kind in _METERED or kind not in BILLED}
        return len(named - counted)

    @property
    def at_rest(self) -> float:
        return sum(line.at_rest for line in self.lines)

    @property
    def under_load(self) -> float:
        return sum(line.under_load for line in self.lines)


class _NoPrice(Exception):
    """A resource that costs something cannot be counted. The message says why."""


_Priced = tuple[Quantity, Price, Price]
"""Units, with the price of those at rest and of those under load."""


def estimate(resources: Iterable[Billable], prices: PriceList) -> Estimate:
    """The cost of resources that are all in one subscription."""
    lines, left_out, used, grants = [], [], dict[Price, None](), _Grants()
    for resource in resources:
        if resource.type in FREE:
            continue
        reasons = _by_use(resource, prices)
        try:
            counted, priced = _priced(resource, prices)
        except _NoPrice as error:
            reasons = [str(error), *reasons]
        else:
            if priced:
                at_rest = sum(quantity.at_rest * price.usd for quantity, price, _ in priced)
                under_load = sum(quantity.under_load * price.usd for quantity, _, price in priced)
                lines.append(Line(resource.name, resource.type, counted, at_rest, under_load))
            for quantity, *both in priced:
                used |= dict.fromkeys(both)
                grants.count(quantity, *both)
        left_out += [(resource.name, resource.type, reason) for reason in reasons]
    return Estimate((*lines, *grants.lines()), tuple(left_out), tuple(used))


def _priced(resource: Billable, prices: PriceList) -> tuple[str, list[_Priced]]:
    """What is counted of a resource, and its units; none if only its use costs something. Raises _NoPrice."""
    if resource.type not in BILLED:
        raise _NoPrice("unknown: see Azure's pricing pages")
    # An app or job that does not run on Consumption: its GPUs or instances have other meters.
    if (profile := resource.properties.get("workloadProfileName")) and profile != "Consumption":
        raise _NoPrice(f"no price for the workload profile {profile}")
    counted, quantities = _METERED.get(resource.type, _nothing)(resource.properties)
    if resource.type in _SIZED and not any(quantity.under_load for quantity in quantities):
        raise _NoPrice("its size is not known before the update")
    priced, unknown = [], set()
    for quantity in quantities:
        busy = prices.find(resource.region, quantity.service, quantity.meter)
        idle = prices.find(resource.region, quantity.service, quantity.idle_meter) if quantity.idle_meter else busy
        if idle and busy:
            priced.append((quantity, idle, busy))
        else:
            unknown.add(quantity.idle_meter if busy and quantity.idle_meter else quantity.meter)
    if unknown:
        raise _NoPrice(f"{', '.join(sorted(unknown))}: no price for region {resource.region or 'unknown'}")
    return counted, priced


def estimate_lines(found: Estimate) -> list[str]:
    """An estimate as Markdown; nothing without billed resources."""
    if not found.lines and not found.not_counted:
        return []
    lines = sorted(found.lines, key=lambda line: (-line.under_load, line.name))
    rows = [
        (f"{code(line.name)} ({code(line.type)})" if line.type else line.name, line.counted, *_dollars(line)) for line in lines
    ]
    left_out = Counter((kind, reason) for _, kind, reason in found.not_counted)
    total = (f"**together{left_out_text(found)}**", "", f"**{usd(found.at_rest)}**", f"**{usd(found.under_load)}**")
    return [
        *table(("resource", "counted", "at rest", "under load"), [*rows, total]),
        "",
        _explanation(found.prices),
        *(["", "Not counted:", ""] if found.not_counted else []),
        *(f"- {count} × {code(kind)}: {reason}" for (kind, reason), count in sorted(left_out.items())),
    ]


def _explanation(prices: Iterable[Price]) -> str:
    days = sorted({price.read.isoformat() for price in prices})
    read = f"read from {days[0]} to {days[-1]}" if days else "of which none is needed here"
    return (
        f"An estimate for a month of {HOURS} hours by Azure's list prices in US dollars, {read}, without taxes and discounts. "
        "At rest, each app has its minimum number of replicas, and they are idle. Under load, each has its maximum number of "
        "replicas, and all are busy."
    )


def left_out_text(found: Estimate) -> str:
    """What a sum of the estimate must say after it; empty if each resource has a price."""
    return f", without what has no price ({found.unpriced})" if found.unpriced else ""


def usd(amount: float) -> str:
    """`$1,234.50`."""
    return f"{'−' if round(amount, 2) < 0 else ''}${abs(amount):,.2f}"


def _dollars(line: Line) -> tuple[str, str]:
    return usd(line.at_rest), usd(line.under_load)


class _Grants:
    """The free grants of the subscription, as far as these resources use them up."""

    def __init__(self) -> None:
        self._units = {what: [0.0, 0.0] for what in GRANTS}
        self._usd = {what: [0.0, 0.0] for what in GRANTS}

    def count(self, quantity: Quantity, idle: Price, busy: Price) -> None:
        what = next((what for what in GRANTS if quantity.service == APPS and what in quantity.meter), None)
        if what is None:
            return
        for end, units, rate in ((0, quantity.at_rest, idle.usd), (1, quantity.under_load, busy.usd)):
            self._units[what][end] += units
            self._usd[what][end] += units * rate

    def lines(self) -> list[Line]:
        saved = [0.0, 0.0]
        for what, granted in GRANTS.items():
            for end in (0, 1):
                if units := self._units[what][end]:
                    saved[end] -= self._usd[what][end] * min(1.0, granted / units)
        counted = " and ".join(f"{granted:,} {'vCPU' if what == 'vCPU' else 'GiB'}-seconds" for what, granted in GRANTS.items())
        return [Line("free grants of the subscription", "", counted, *saved)] if any(saved) else []


def _by_use(resource: Billable, prices: PriceList) -> list[str]:
    """What of its cost depends on use, with its prices, else with the pricing page."""
    billing = BILLED.get(resource.type)
    if billing is None or not billing.by_use:
        return []
    if resource.type == "app:ManagedEnvironment" and not resource.properties.get("vnetConfiguration"):
        return []
    found = [price for service, meter in _rates(resource) if (price := prices.find(resource.region, service, meter))]
    rates = ", ".join(f"${price.usd:g} per {price.unit}" for price in found)
    return [f"{billing.by_use} ({rates})" if rates else f"[{billing.by_use}]({billing.url})"]


def _rates(resource: Billable) -> Sequence[tuple[str, str]]:
    """The meters of what depends on use."""
    if resource.type == "storage:StorageAccount":
        redundancy = str(_map(resource.properties, "sku").get("name", "")).partition("_")[2]
        return [("Storage", f"Hot {redundancy} Data Stored")]
    return {
        "app:ContainerApp": [(APPS, "Standard Requests")],
        "operationalinsights:Workspace": [(LOGS, "Analytics Logs Data Ingestion"), (LOGS, "Analytics Logs Data Retention")],
        "keyvault:Vault": [("Key Vault", "Operations")],
    }.get(resource.type, [])


_Metered = tuple[str, list[Quantity]]


def _nothing(_properties: Mapping[str, Any]) -> _Metered:
    return "", []


def _container_app(properties: Mapping[str, Any]) -> _Metered:
    template = _map(properties, "template")
    scale = _map(template, "scale")
    least, most = int(scale.get("minReplicas") or 0), int(scale.get("maxReplicas") or 10)  # Azure's own default
    cores, gib = _size(template)
    counted = f"{f'{least} to {most}' if least != most else most} × {cores:g} vCPU and {gib:g} GiB"
    return counted, _all_month(least, most, cores, gib, idle_is_cheaper=True)


def _job(properties: Mapping[str, Any]) -> _Metered:
    trigger = _map(_map(properties, "configuration"), "eventTriggerConfig")
    scale = _map(trigger, "scale")
    least, most = int(scale.get("minExecutions") or 0), int(scale.get("maxExecutions") or 100)  # Azure's own default
    most *= int(trigger.get("parallelism") or 1)
    cores, gib = _size(_map(properties, "template"))
    # "Idle charges don't apply to jobs" (azure-docs, articles/container-apps/billing.md).
    counted = f"{least} to {most} executions of {cores:g} vCPU and {gib:g} GiB"
    return counted, _all_month(least, most, cores, gib, idle_is_cheaper=False)


def _all_month(least: int, most: int, cores: float, gib: float, *, idle_is_cheaper: bool) -> list[Quantity]:
    """The seconds of the cores and the memory of replicas: `least` of them at rest, and `most` under load."""
    return [
        Quantity(
            APPS,
            f"Standard {what} Active Usage",
            least * size * SECONDS,
            most * size * SECONDS,
            f"Standard {what} Idle Usage" if idle_is_cheaper else None,
        )
        for what, size in (("vCPU", cores), ("Memory", gib))
    ]


def _map(properties: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A property that is a mapping; empty where a preview does not know it yet."""
    value = properties.get(name)
    return value if isinstance(value, Mapping) else {}


def _size(template: Mapping[str, Any]) -> tuple[float, float]:
    """vCPU and GiB of all containers of a replica."""
    sizes = [_map(container, "resources") for container in template.get("containers") or []]
    cores = sum(float(size.get("cpu") or 0) for size in sizes)
    return cores, sum(float(str(size.get("memory") or "0").removesuffix("Gi")) for size in sizes)


def _server(properties: Mapping[str, Any]) -> _Metered:
    sku = str(_map(properties, "sku").get("name", ""))
    storage = _map(properties, "storage").get("storageSizeGB")
    if not sku or not isinstance(storage, int | float):
        return _nothing(properties)
    standby = _map(properties, "highAvailability").get("mode", "Disabled") != "Disabled"
    # A standby is billed, too (learn.microsoft.com/azure/reliability/reliability-database-postgresql).
    servers = 2 if standby else 1
    counted = f"{f'{servers} × ' if standby else ''}{sku} and {storage:g} GB{', one the standby' if standby else ''}"
    hours, gb = servers * HOURS, servers * storage
    return counted, [Quantity(DATABASE, sku, hours, hours), Quantity(DATABASE, "Storage Data Stored", gb, gb)]


def _alert_rule(properties: Mapping[str, Any]) -> _Metered:
    minutes = {"PT1M": 1, "PT5M": 5, "PT10M": 10}.get(str(properties.get("evaluationFrequency")), 15)
    meter = f"Alerts System Log Monitored at {minutes} Minute Frequency"
    return f"a rule that runs every {minutes} minutes", [Quantity(ALERTS, meter, 1, 1)]


def _private_endpoint(_properties: Mapping[str, Any]) -> _Metered:
    return "all month", [Quantity("Virtual Network", "Standard Private Endpoint", HOURS, HOURS)]


def _private_zone(_properties: Mapping[str, Any]) -> _Metered:
    return "all month", [Quantity("Azure DNS", "Private Zone", 1, 1)]


_METERED: Mapping[str, Callable[[Mapping[str, Any]], _Metered]] = {
    "app:ContainerApp": _container_app,
    "app:Job": _job,
    "dbforpostgresql:Server": _server,
    "monitor:ScheduledQueryRule": _alert_rule,
    "network:PrivateEndpoint": _private_endpoint,
    "privatedns:PrivateZone": _private_zone,
}
"""What is counted of a resource's properties, by its type."""

_SIZED = ("app:ContainerApp", "app:Job", "dbforpostgresql:Server")
"""Those whose properties say how large they are."""
