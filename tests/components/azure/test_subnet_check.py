"""Whether a subnet, as Azure describes it, fits."""

from typing import Any

import pytest

from vision_customization.components.azure.subnet_check import subnet_problem

APPS, DATABASE = "Microsoft.App/environments", "Microsoft.DBforPostgreSQL/flexibleServers"


def subnet(prefix: str | list[str], *delegates: str) -> dict[str, Any]:
    prefixes = {"addressPrefix": prefix} if isinstance(prefix, str) else {"addressPrefixes": prefix}
    delegations = [{"name": "x", "properties": {"serviceName": delegate}} for delegate in delegates]
    return {"id": "/an/id", "properties": {**prefixes, "delegations": delegations}}


@pytest.mark.parametrize(
    ("what", "document", "problem"),
    [
        ("apps", subnet("10.0.0.0/27", APPS), None),
        ("apps", subnet(["10.0.0.0/26"], APPS.lower()), None),
        ("apps", subnet(["10.0.0.0/27", "fd00::/64"], APPS), None),
        ("apps", subnet("10.0.0.0/28", APPS), "is a /28. It must be /27 or larger"),
        ("apps", subnet("10.0.0.0/27"), f"is delegated to nothing. It must be delegated to {APPS}"),
        ("apps", subnet("10.0.0.0/27", DATABASE), f"is delegated to {DATABASE}. It must be delegated to {APPS}"),
        ("database", subnet("10.0.0.0/28", DATABASE), None),
        ("database", subnet("10.0.0.0/29", DATABASE), "is a /29. It must be /28 or larger"),
        ("endpoints", subnet("10.0.0.0/29"), None),
        ("endpoints", subnet("10.0.0.0/27", APPS), f"is delegated to {APPS}. It must be delegated to nothing"),
    ],
)
def test_subnets(what: str, document: dict[str, Any], problem: str | None) -> None:
    assert subnet_problem(what, document) == problem
