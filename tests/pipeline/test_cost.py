"""The estimate: what is counted of each resource, by which price, and what is named instead."""

from datetime import date

import pytest

from pipeline.billing import BILLED
from pipeline.cost import _METERED, SECONDS, Billable, estimate, estimate_lines, usd
from pipeline.prices import Price, PriceList, price_list

PRICES = price_list()


def app(cpu: float, memory: str, least: int, most: int, location: str = "eastus") -> Billable:
    template = {
        "containers": [{"resources": {"cpu": cpu, "memory": memory}}],
        "scale": {"minReplicas": least, "maxReplicas": most},
    }
    return Billable("engine", "app:ContainerApp", {"location": location, "template": template})


def server(sku: str, gb: int, mode: str = "Disabled", location: str = "eastus") -> Billable:
    properties = {
        "location": location,
        "sku": {"name": sku, "tier": "any"},
        "storage": {"storageSizeGB": gb},
        "highAvailability": {"mode": mode},
    }
    return Billable("database", "dbforpostgresql:Server", properties)


def job(most: int) -> Billable:
    properties = {
        "location": "eastus",
        "configuration": {"eventTriggerConfig": {"scale": {"maxExecutions": most}}},
        "template": {"containers": [{"resources": {"cpu": 2, "memory": "4Gi"}}]},
    }
    return Billable("worker", "app:Job", properties)


@pytest.mark.parametrize(
    ("resource", "counted", "at_rest", "under_load"),
    [
        # 32 GB x 0.115 + 730 h x 0.017
        (server("Standard_B1ms", 32), "Standard_B1ms and 32 GB", 16.09, 16.09),
        # Both of each: 2 x (64 x 0.115 + 730 x 0.178)
        (server("Standard_D2ds_v5", 64, "SameZone"), "2 × Standard_D2ds_v5 and 64 GB, one the standby", 274.6, 274.6),
        (server("Standard_B1ms", 32, location="West Europe"), "Standard_B1ms and 32 GB", 18.9078, 18.9078),
        # Busy: 2 x 2,628,000 s x (1 x 0.000024 + 2 x 0.000003), less the grants.
        (app(1, "2Gi", 0, 2), "0 to 2 × 1 vCPU and 2 GiB", 0, 157.68 - 180_000 * 0.000024 - 360_000 * 0.000003),
        # Idle: 2,628,000 s x (0.5 x 0.000003 + 1 x 0.000003), less the grants.
        (app(0.5, "1Gi", 1, 1), "1 × 0.5 vCPU and 1 GiB", 11.826 - 1.62, 39.42 - 5.4),
        (job(2), "0 to 2 executions of 2 vCPU and 4 GiB", 0, 315.36 - 5.4),
        (Billable("blob", "network:PrivateEndpoint", {"location": "anywhere"}), "all month", 7.3, 7.3),
        (Billable("zone", "privatedns:PrivateZone", {"location": "Global"}), "all month", 0.5, 0.5),
        (
            Billable("alert", "monitor:ScheduledQueryRule", {"evaluationFrequency": "PT15M"}),
            "a rule that runs every 15 minutes",
            0.5,
            0.5,
        ),
    ],
)
def test_what_a_resource_costs(resource: Billable, counted: str, at_rest: float, under_load: float) -> None:
    found = estimate([resource], PRICES)
    assert found.lines[0].counted == counted
    assert found.at_rest == pytest.approx(at_rest)
    assert found.under_load == pytest.approx(under_load)


def test_the_free_grants_are_one_subscriptions() -> None:
    """Not each app's; and no more than what is used."""
    two = estimate([app(1, "2Gi", 0, 2), app(2, "4Gi", 0, 1)], PRICES)
    assert [line.under_load for line in two.lines] == pytest.approx([157.68, 157.68, -5.4])
    small = [Price("eastus", "Azure Container Apps", meter, "s", 1.0, date(2026, 1, 1), "") for meter in _meters()]
    prices = PriceList(small)
    little = estimate([app(180_000 / SECONDS / 2, "0Gi", 1, 1)], prices)
    assert little.at_rest == little.under_load == 0


def _meters() -> list[str]:
    return [f"Standard {what} {state} Usage" for what in ("vCPU", "Memory") for state in ("Active", "Idle")]


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        (server("Standard_E96ds_v5", 32), "Standard_E96ds_v5: no price for region eastus"),
        (
            server("Standard_B1ms", 32, location="northeurope"),
            "Standard_B1ms, Storage Data Stored: no price for region northeurope",
        ),
        (
            app(1, "2Gi", 0, 2, location="northeurope"),
            "Standard Memory Active Usage, Standard vCPU Active Usage: no price for region",
        ),
        (
            Billable("worker", "app:Job", {**job(2).properties, "workloadProfileName": "gpu-t4"}),
            "no price for the workload profile gpu-t4",
        ),
        (Billable("q", "quantum:Workspace", {}), "unknown: see Azure's pricing pages"),
    ],
)
def test_what_has_no_price_is_named_and_not_counted(resource: Billable, reason: str) -> None:
    found = estimate([resource], PRICES)
    assert found.lines == ()
    assert (found.at_rest, found.under_load) == (0, 0)
    assert reason in found.not_counted[0][2]
    assert f"- 1 × `{resource.type}`: {found.not_counted[0][2]}" in estimate_lines(found)


@pytest.mark.parametrize(
    ("resource", "named"),
    [
        (
            Billable("s", "storage:StorageAccount", {"location": "eastus", "sku": {"name": "Standard_LRS"}}),
            ["stored data and its former versions, operations and traffic ($0.0208 per GB-month)"],
        ),
        (
            Billable("s", "storage:StorageAccount", {"location": "eastus", "sku": {"name": "Standard_ZRS"}}),
            [
                "[stored data and its former versions, operations and traffic](https://azure.microsoft.com/pricing/details/storage/blobs/)"
            ],
        ),
        (
            Billable("l", "operationalinsights:Workspace", {"location": "eastus"}),
            ["logs beyond 5 GB a month, and those kept longer than 31 days ($2.3 per GB, $0.1 per GB-month)"],
        ),
        (Billable("e", "app:ManagedEnvironment", {"location": "eastus"}), []),
        (
            Billable("e", "app:ManagedEnvironment", {"location": "eastus", "vnetConfiguration": {"internal": True}}),
            [
                "[in a network, the load balancer and the address that Azure manages](https://azure.microsoft.com/pricing/details/container-apps/)"
            ],
        ),
        (Billable("g", "resources:ResourceGroup", {"location": "eastus"}), []),
    ],
)
def test_what_depends_on_use_is_named(resource: Billable, named: list[str]) -> None:
    found = estimate([resource], PRICES)
    assert found.lines == ()
    assert [reason for _, _, reason in found.not_counted] == named


@pytest.mark.parametrize("value", [None, "04da6b54-80e4-46f7-96ec-b56ff0331ba9"], ids=["missing", "unknown"])
@pytest.mark.parametrize("kind", BILLED)
def test_what_a_preview_does_not_know_yet_is_named(kind: str, value: str | None) -> None:
    properties = dict.fromkeys(("template", "sku", "storage", "configuration", "highAvailability"), value)
    found = estimate([Billable("it", kind, {"location": "eastus", **properties})], PRICES)
    sized = kind in ("app:ContainerApp", "app:Job", "dbforpostgresql:Server")
    assert (("it", kind, "its size is not known before the update") in found.not_counted) == sized
    assert not (sized and found.lines)


def test_every_counted_type_is_billed() -> None:
    assert _METERED.keys() <= BILLED.keys()


def test_the_table_says_that_it_is_an_estimate_and_of_when() -> None:
    lines = estimate_lines(estimate([server("Standard_B1ms", 32), app(1, "2Gi", 1, 3)], PRICES))
    text = "\n".join(lines)
    assert lines[0] == "| resource | counted | at rest | under load |"
    assert "| `database` (`dbforpostgresql:Server`) | Standard_B1ms and 32 GB | $16.09 | $16.09 |" in text
    assert "| free grants of the subscription | 180,000 vCPU-seconds and 360,000 GiB-seconds | −$1.62 | −$5.40 |" in text
    assert "| **together** |  | **$38.12** | **$247.21** |" in text
    assert (
        "An estimate for a month of 730 hours by Azure's list prices in US dollars, read from 2026-09-03 to 2026-10-03" in text
    )


def test_a_sum_without_a_large_part_says_so() -> None:
    found = estimate([server("Standard_E96ds_v5", 32), app(1, "2Gi", 0, 1)], PRICES)
    assert found.unpriced == 1
    assert "| **together, without what has no price (1)** |  | **$0.00** | **$73.44** |" in estimate_lines(found)


def test_nothing_in_azure_costs_nothing() -> None:
    assert estimate_lines(estimate([], PRICES)) == []


@pytest.mark.parametrize(("amount", "text"), [(0, "$0.00"), (1234.5, "$1,234.50"), (-5.4, "−$5.40"), (-0.001, "$0.00")])
def test_usd(amount: float, text: str) -> None:
    assert usd(amount) == text


def test_every_price_says_where_it_is_from_and_is_there_once() -> None:
    rows = list(PRICES)
    assert len({(price.region, price.service, price.meter) for price in rows}) == len(rows) > 30
    for price in rows:
        assert 0 < price.usd < 10, price
        assert price.source.startswith("https://"), price
        assert date(2026, 1, 1) <= price.read, price
