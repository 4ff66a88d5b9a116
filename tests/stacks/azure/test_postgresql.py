"""The stacks of this repository against what Azure offers, by its own table of regions."""

import pytest

from stacks.azure_settings import DatabaseSizeSettings
from tests.stacks.azure.environment import declared
from tests.stacks.azure.names import REGIONS
from tests.stacks.azure.postgresql import (
    NOT_LISTED,
    ON_REQUEST,
    WITHOUT_GEO_BACKUP,
    WITHOUT_V5,
    WITHOUT_ZONES,
    ZONES_BLOCKED,
    Offer,
    capabilities,
)
from vision_customization.components.azure.args import DatabaseSize
from vision_customization.components.azure.capabilities import not_offered


@pytest.mark.parametrize("stack", ["dev", "staging", "prod"])
def test_azure_offers_the_database_of_each_stack_where_it_is(stack: str) -> None:
    azure = declared(stack)["azure"]
    location = azure.get("location", "eastus")
    size = DatabaseSize(**DatabaseSizeSettings.model_validate(azure.get("database", {})).model_dump())
    (offer,) = capabilities(Offer.of(location, {}))["value"]
    assert list(not_offered(offer, location, size)) == []


def test_the_table_names_regions() -> None:
    for named in (NOT_LISTED, ON_REQUEST, WITHOUT_GEO_BACKUP, WITHOUT_V5, WITHOUT_ZONES, ZONES_BLOCKED):
        assert named <= REGIONS
    assert not ZONES_BLOCKED & WITHOUT_ZONES
