"""What a database of the engine needs to be declared."""

from typing import Any

import pytest

from vision_customization.components.azure.args import DatabaseSize
from vision_customization.components.azure.database import EngineDatabaseArgs
from vision_customization.components.azure.place import Place

PLACE = Place("vision", "eastus", {})
GIVEN: dict[str, Any] = {"tenant_id": "a-tenant", "administrator_name": "vision-database", "principal_id": "an-object"}


@pytest.mark.parametrize("missing", list(GIVEN))
def test_a_login_by_token_names_what_it_needs(missing: str) -> None:
    given = {name: value for name, value in GIVEN.items() if name != missing}
    with pytest.raises(ValueError, match=r"needs tenant_id, administrator_name and principal_id.*login='password'"):
        EngineDatabaseArgs(PLACE, "vision", **given)


def test_a_password_needs_none_of_it() -> None:
    assert not EngineDatabaseArgs(PLACE, "vision", DatabaseSize(login="password")).is_private
    assert EngineDatabaseArgs(PLACE, "vision", **GIVEN).size.login == "entra"
