"""docs/azure-restore.md: its commands, run in order on a played Azure, bring back what was lost."""

import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from azure.identity import DefaultAzureCredential
from azure.storage.blob import ContainerClient

from tests.stacks.azure.directory import CALLER_OBJECT_ID
from tests.stacks.azure.front import Call
from tests.stacks.azure.history import BLOB_SERVICE, NotRestorable, changed_blob, restorable
from tests.stacks.azure.runbook import follow
from tests.stacks.azure.services import AzureWorld
from tests.stacks.azure.written_state import ACCOUNT, CONTAINER, CONTRIBUTOR, State
from vision_customization.common.blob_container import open_container

SERVICE = {"isVersioningEnabled": True, "restorePolicy": {"enabled": True, "days": 6}}


def restore(folder: Path, world: AzureWorld, time_to_restore: datetime) -> subprocess.CompletedProcess[str]:
    to = f"{time_to_restore:%Y-%m-%dT%H:%M:%S.%fZ}"
    return follow(folder, world, "Blobs of a container", GROUP="rg", TIME=to)


def contents(container: ContainerClient) -> dict[str, bytes]:
    return {name: container.download_blob(name).readall() for name in container.list_blob_names()}


@pytest.mark.process
def test_blobs_are_as_they_were_at_the_time(
    tmp_path: Path, world: AzureWorld, state: State, credential: Callable[..., DefaultAzureCredential]
) -> None:
    state.add(BLOB_SERVICE, f"{ACCOUNT}/blobServices/default", SERVICE)
    state.assign(CONTRIBUTOR, CALLER_OBJECT_ID, CONTAINER)
    with open_container(f"{world.storage.url}/visiontraining/training", credential=credential()) as container:
        before = {"images/a b.png": b"an image", "images/ö.png": b"another", "train.json": b"{}"}
        for name, content in before.items():
            container.upload_blob(name, content)
        time.sleep(0.01)
        good = datetime.now(UTC)
        time.sleep(0.01)
        container.upload_blob("train.json", b"wrong", overwrite=True)
        container.upload_blob("train.json", b"still wrong", overwrite=True)
        container.delete_blob("images/ö.png")
        container.upload_blob("images/new.png", b"nobody's")
        time.sleep(0.01)
        wrong, after = datetime.now(UTC), contents(container)
        assert after != before

        done = restore(tmp_path, world, good)
        assert done.returncode == 0, done.stderr
        assert contents(container) == before
        # A second restore undoes the first.
        assert restore(tmp_path, world, wrong).returncode == 0
        assert contents(container) == after

        early = restore(tmp_path, world, good - timedelta(days=1))
        assert early.returncode == 1
        assert "the earliest restore point" in early.stderr
        assert contents(container) == after


NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
WANTED = {"timeToRestore": "2026-01-30T12:00:00Z", "blobRanges": [{"startRange": "training", "endRange": "training0"}]}


def test_a_time_within_the_days_of_restore() -> None:
    assert restorable(SERVICE, WANTED, NOW - timedelta(days=30), NOW) == datetime(2026, 1, 30, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("service", "wanted", "enabled_days", "code"),
    [
        ({"restorePolicy": {"enabled": False}}, {}, 30, "RestorePolicyNotEnabled"),
        ({}, {"timeToRestore": "2026-01-20T12:00:00Z"}, 30, "InvalidTimeToRestore"),
        ({}, {"timeToRestore": "2026-02-01T12:00:00Z"}, 30, "InvalidTimeToRestore"),
        ({}, {"timeToRestore": "yesterday"}, 30, "InvalidTimeToRestore"),
        # Before it was enabled.
        ({}, {}, 0.5, "InvalidTimeToRestore"),
        ({}, {"blobRanges": WANTED["blobRanges"] * 11}, 30, "InvalidBlobRanges"),
    ],
)
def test_what_is_not_restored(service: dict[str, object], wanted: dict[str, object], enabled_days: float, code: str) -> None:
    with pytest.raises(NotRestorable) as refused:
        restorable(SERVICE | service, WANTED | wanted, NOW - timedelta(days=enabled_days), NOW)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("method", "target", "blob"),
    [
        ("PUT", "/visiontraining/training/images/a%20b.png", "training/images/a b.png"),
        ("DELETE", "/visiontraining/training/a.png", "training/a.png"),
        ("PUT", "/visiontraining/training/a.png?comp=blocklist", "training/a.png"),
        ("PUT", "/visiontraining/training/a.png?comp=block&blockid=MQ", None),
        ("GET", "/visiontraining/training/a.png", None),
        ("PUT", "/visiontraining/training?restype=container", None),
    ],
)
def test_what_changes_a_blob(method: str, target: str, blob: str | None) -> None:
    assert changed_blob(Call(method, target, {})) == blob
