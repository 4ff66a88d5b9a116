"""The DNS record of the apps, in a zone of somebody else."""

import pulumi
import pytest

from vision_customization.components.azure.network import record_name

DOMAIN = "happy-hill.eastus.azurecontainerapps.io"


@pytest.mark.parametrize(
    ("zone", "name"),
    [
        ("azurecontainerapps.io", "*.happy-hill.eastus"),
        ("eastus.azurecontainerapps.io", "*.happy-hill"),
        (DOMAIN, "*"),
    ],
)
def test_everything_below_the_domain_is_named_relative_to_the_zone(zone: str, name: str) -> None:
    assert record_name(DOMAIN, zone) == name


@pytest.mark.parametrize("zone", ["westus2.azurecontainerapps.io", "us.azurecontainerapps.io", f"x.{DOMAIN}"])
def test_a_zone_that_the_apps_are_not_in_is_named(zone: str) -> None:
    with pytest.raises(pulumi.RunError, match=f"appsZone is named '{zone}', but the apps are in '{DOMAIN}'"):
        record_name(DOMAIN, zone)
