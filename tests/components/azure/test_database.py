"""The database as it is declared, with Pulumi's engine played; tests/stacks/azure/test_database_changes.py has its updates."""

from typing import Any

import pulumi
import pytest

from tests.components.azure.played_engine import Engine
from vision_customization.components.azure.args import HIGH_AVAILABILITY, DatabaseSize
from vision_customization.components.azure.database import EngineDatabase, EngineDatabaseArgs
from vision_customization.components.azure.place import Place


def server(engine: Engine, size: DatabaseSize, **args: Any) -> dict[str, Any]:  # noqa: ANN401 - the arguments of the database
    @pulumi.runtime.test
    def program() -> pulumi.Output[str]:
        given = {"tenant_id": "a-tenant", "administrator_name": "vision-database", "principal_id": "an-object", **args}
        return EngineDatabase("vision-database", EngineDatabaseArgs(Place("vision", "eastus"), "vision", size, **given)).url

    program()
    return engine.declared["Server"]


@pytest.mark.parametrize("mode", HIGH_AVAILABILITY)
def test_each_mode_of_high_availability_is_declared(engine: Engine, mode: str) -> None:
    size = DatabaseSize("Standard_D2ds_v5", "GeneralPurpose", high_availability=mode)
    assert server(engine, size)["highAvailability"]["mode"] == mode
