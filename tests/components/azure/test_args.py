import pytest

from vision_customization.components.azure.args import AzureArgs, DatabaseSize
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
