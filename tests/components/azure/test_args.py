from typing import Any

import pytest

from vision_customization.components.azure.args import AzureArgs, DatabaseSize, EngineSize, EnvironmentOptions
from vision_customization.components.azure.place import Place
from vision_customization.components.azure.vision_account import VisionAccountArgs


@pytest.mark.parametrize(
    ("location", "given", "expected"),
    [
        ("westeurope", None, "westeurope"),
        ("West US 2", None, "West US 2"),
        ("swedencentral", None, "eastus"),
        ("swedencentral", "westeurope", "westeurope"),
        ("eastus", "westeurope", "westeurope"),
    ],
)
def test_the_vision_account_is_where_customization_was_offered(location: str, given: str | None, expected: str) -> None:
    args = AzureArgs("vision", "image", location=location, vision_location=given)
    assert args.vision_region == expected
    VisionAccountArgs(Place("group", args.vision_region), "vision", "vision")


def test_a_vision_account_elsewhere_is_refused() -> None:
    with pytest.raises(ValueError, match=r"vision_location 'swedencentral': .* only in eastus, westus2, westeurope"):
        VisionAccountArgs(Place("group", "swedencentral"), "vision", "vision")


def test_a_mode_of_high_availability_that_does_not_exist() -> None:
    with pytest.raises(ValueError, match="must be one of Disabled, SameZone, ZoneRedundant, not True"):
        DatabaseSize(high_availability=True)  # type: ignore[arg-type]


def test_a_database_of_another_access_would_be_open_to_all_of_azure() -> None:
    with pytest.raises(ValueError, match="access must be one of network, azureServices, not 'private'"):
        DatabaseSize(access="private")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"workers": "jobs"}, "workers must be one of app, job, not 'jobs'"),
        ({"worker_profile": "D4"}, "worker_profile must be one of Consumption, Consumption-GPU-NC8as-T4, .*, not 'D4'"),
        ({"workers": "job", "min_workers": 1}, "workers 'job' needs min_workers 0, not 1"),
    ],
)
def test_workers_that_do_not_exist(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        EngineSize(**given)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"monthly_budget": 800}, "monthly_budget needs alert_emails"),
        ({"private_network": True, "database": DatabaseSize(access="azureServices")}, "need database.access 'network'"),
        (
            {"environment": EnvironmentOptions(zone_redundant=True), "database": DatabaseSize(access="azureServices")},
            "need database.access 'network'",
        ),
    ],
)
def test_what_does_not_go_together(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        AzureArgs("vision", "image", **given)
