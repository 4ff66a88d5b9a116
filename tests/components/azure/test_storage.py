"""The storage as it is declared, with Pulumi's engine played."""

from typing import Any

import pulumi
import pytest

from tests.components.azure.played_engine import Engine
from vision_customization.components.azure.place import Place
from vision_customization.components.azure.storage import TrainingStorage, TrainingStorageArgs

PLACE = Place("vision-dev", "eastus")


def declared(engine: Engine, **args: Any) -> dict[str, dict[str, Any]]:  # noqa: ANN401 - the arguments of the storage
    @pulumi.runtime.test
    def program() -> pulumi.Output[str]:
        storage = TrainingStorage("vision-storage", TrainingStorageArgs(PLACE, account_name="visiondev", **args))
        return storage.training_id

    program()
    return engine.declared


def test_nobody_signs_in_but_with_entra_and_nothing_leaves_the_tenant(engine: Engine) -> None:
    account = declared(engine)["StorageAccount"]
    for name in (
        "allowBlobPublicAccess",
        "allowSharedKeyAccess",
        "allowCrossTenantReplication",
        "isLocalUserEnabled",
        "isSftpEnabled",
    ):
        assert account[name] is False, name


def test_containers_are_restored_for_less_long_than_blobs_are_kept(engine: Engine) -> None:
    found = declared(engine, soft_delete_days=90, restore_days=30)
    service = found["BlobServiceProperties"]
    assert service["isVersioningEnabled"] is True
    assert service["restorePolicy"] == {"enabled": True, "days": 30}
    assert service["changeFeed"] == {"enabled": True, "retentionInDays": 90}
    [rule] = found["ManagementPolicy"]["policy"]["rules"]
    assert rule["enabled"]
    assert rule["definition"]["actions"] == {"version": {"delete": {"daysAfterCreationGreaterThan": 30}}}


@pytest.mark.parametrize(("soft_delete_days", "restore_days"), [(7, 0), (1, None)])
def test_without_restore_no_versions_are_kept(engine: Engine, soft_delete_days: int, restore_days: int | None) -> None:
    found = declared(engine, soft_delete_days=soft_delete_days, restore_days=restore_days)
    service = found["BlobServiceProperties"]
    # Said, so that an update turns off what was on.
    assert service["isVersioningEnabled"] is False
    assert service["restorePolicy"] == {"enabled": False}
    assert service["changeFeed"] == {"enabled": False}
    assert "ManagementPolicy" not in found


@pytest.mark.parametrize(
    ("soft_delete_days", "restore_days", "restorable"), [(7, None, 6), (4, None, 3), (30, None, 6), (30, 29, 29)]
)
def test_days_of_restore(soft_delete_days: int, restore_days: int | None, restorable: int) -> None:
    args = TrainingStorageArgs(PLACE, "visiondev", soft_delete_days=soft_delete_days, restore_days=restore_days)
    assert args.restorable_days == restorable


@pytest.mark.parametrize("restore_days", [-1, 7])
def test_days_of_restore_that_are_refused(restore_days: int) -> None:
    with pytest.raises(
        ValueError, match=rf"restore_days is {restore_days}: must be 0 or more, and less than soft_delete_days \(7\)"
    ):
        TrainingStorageArgs(PLACE, "visiondev", restore_days=restore_days)
