"""What the security groups let through."""

import pytest

from vision_customization.components.azure.security_rules import SecurityRule, apps_rules, database_rules, endpoints_rules

APPS, DATABASE, ENDPOINTS = "10.42.0.0/24", "10.42.1.0/28", "10.42.1.32/27"
NETWORK, INTERNET = "VirtualNetwork", "Internet"


def allowed(rules: list[SecurityRule], direction: str, source: str, destination: str, port: int, protocol: str = "Tcp") -> bool:
    """What Azure decides: the first rule that applies, by priority. Azure's own rules at last, of which one is enough here."""

    def applies(rule: SecurityRule) -> bool:
        ends = rule.source in (source, "*", NETWORK if source in (APPS, DATABASE, ENDPOINTS) else source)
        ends = ends and rule.destination in (destination, "*")
        ports = any(part == "*" or int(part.partition("-")[0]) <= port <= int(part.rpartition("-")[2]) for part in rule.ports)
        return rule.direction == direction and ends and ports and rule.protocol in (protocol, "*")

    for rule in sorted(rules, key=lambda rule: rule.priority):
        if applies(rule):
            return rule.access == "Allow"
    return direction == "Outbound" or source == NETWORK


@pytest.mark.parametrize(
    ("rules", "direction", "source", "destination", "port", "expected"),
    [
        # https://learn.microsoft.com/azure/container-apps/firewall-integration#nsg-allow-rules
        (apps_rules(APPS), "Inbound", NETWORK, APPS, 443, True),
        (apps_rules(APPS), "Inbound", NETWORK, APPS, 31443, True),
        (apps_rules(APPS), "Inbound", "AzureLoadBalancer", APPS, 31999, True),
        (apps_rules(APPS), "Inbound", APPS, APPS, 9000, True),
        (apps_rules(APPS), "Inbound", NETWORK, APPS, 22, False),
        (apps_rules(APPS), "Outbound", APPS, INTERNET, 443, True),
        (apps_rules(APPS), "Outbound", APPS, INTERNET, 25, False),
        (apps_rules(APPS), "Outbound", APPS, DATABASE, 5432, True),
        # https://learn.microsoft.com/azure/postgresql/flexible-server/concepts-networking-private
        (database_rules(DATABASE, APPS), "Inbound", APPS, DATABASE, 5432, True),
        (database_rules(DATABASE, APPS), "Inbound", DATABASE, DATABASE, 5432, True),
        (database_rules(DATABASE, APPS), "Inbound", NETWORK, DATABASE, 5432, False),
        (database_rules(DATABASE, None), "Inbound", NETWORK, DATABASE, 5432, True),
        (database_rules(DATABASE, APPS), "Inbound", APPS, DATABASE, 22, False),
        (database_rules(DATABASE, APPS), "Outbound", DATABASE, "Storage", 443, True),
        (endpoints_rules(ENDPOINTS), "Inbound", APPS, ENDPOINTS, 443, True),
        (endpoints_rules(ENDPOINTS), "Inbound", NETWORK, ENDPOINTS, 445, False),
    ],
)
def test_who_may_call_whom(
    rules: list[SecurityRule], direction: str, source: str, destination: str, port: int, expected: bool
) -> None:
    assert allowed(rules, direction, source, destination, port) is expected
