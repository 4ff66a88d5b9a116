"""The layout of a network's addresses."""

import pytest

from vision_customization.components.azure.address_plan import ADDRESS_PREFIX, AddressPlan


@pytest.mark.parametrize(
    ("prefix", "apps", "database", "endpoints"),
    [
        (ADDRESS_PREFIX, "10.42.0.0/24", "10.42.1.0/28", "10.42.1.32/27"),
        ("192.168.4.0/24", "192.168.4.0/25", "192.168.4.128/28", "192.168.4.160/27"),
        ("172.20.9.128/25", "172.20.9.128/26", "172.20.9.192/28", "172.20.9.224/27"),
        # As earlier versions: a subnet in use can't move.
        ("10.42.0.0/16", "10.42.0.0/23", "10.42.2.0/28", "10.42.3.0/24"),
        ("100.64.8.0/22", "100.64.8.0/23", "100.64.10.0/28", "100.64.11.0/24"),
    ],
)
def test_the_subnets_lie_in_their_range(prefix: str, apps: str, database: str, endpoints: str) -> None:
    plan = AddressPlan.of(prefix)
    assert (str(plan.apps), str(plan.database), str(plan.endpoints)) == (apps, database, endpoints)


@pytest.mark.parametrize(
    ("prefix", "says"),
    [
        ("10.0.0.0", "prefix length 32"),
        ("10.0.0.0/15", "prefix length 15. Use a range of /16 to /25"),
        ("10.0.0.0/26", "prefix length 26"),
        ("10.0.1.0/23", "not a range of IPv4 addresses .* Use one like 10.42.0.0/23"),
        ("fd00::/64", "not a range of IPv4 addresses"),
        ("20.42.0.0/23", "not private"),
        ("172.31.4.0/23", "overlaps with 172.31.0.0/16, which Container Apps use themselves"),
        ("100.100.64.0/18", "overlaps with 100.100.0.0/17"),
    ],
)
def test_a_range_that_does_not_work(prefix: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        AddressPlan.of(prefix)
