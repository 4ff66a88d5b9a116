"""Former contents of blobs, and the restore of containers to a point in time, as Azure has it for block blobs.

https://learn.microsoft.com/azure/storage/blobs/point-in-time-restore-overview
"""

import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

from tests.stacks.azure.front import Call

BLOB_SERVICE = "azure-native:storage:BlobServiceProperties"


class NotRestorable(Exception):
    """`code` is Azure's, or where Azure documents none, the simulation's own."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Change:
    """What a blob held until then; None where there was none."""

    at: datetime
    name: str
    """`<container>/<blob>`."""
    before: bytes | None


class History:
    """The changes of one account's blobs, while its service keeps versions."""

    def __init__(self) -> None:
        self._changes: list[Change] = []
        self._lock = threading.Lock()

    def add(self, name: str, before: bytes | None) -> None:
        with self._lock:
            self._changes.append(Change(datetime.now(UTC), name, before))

    def since(self, time: datetime, ranges: Iterable[tuple[str, str]]) -> dict[str, bytes | None]:
        """What the blobs that changed since then held: those in one of the ranges, which end before their second name."""
        found: dict[str, bytes | None] = {}
        with self._lock:
            for change in self._changes:
                inside = any(first <= change.name and (change.name < last or not last) for first, last in ranges)
                if inside and change.at > time:
                    found.setdefault(change.name, change.before)
        return found


def changed_blob(call: Call) -> str | None:
    """`<container>/<blob>` of a call that changes a blob. A block is not yet a part of a blob before its list is written."""
    _, _, name = unquote(call.path).lstrip("/").partition("/")
    writes = call.method in ("PUT", "DELETE") and call.query.get("comp") in (None, "blocklist")
    return name if writes and "/" in name and "restype" not in call.query else None


def restorable(service: Mapping[str, Any], wanted: Mapping[str, Any], enabled: datetime, now: datetime) -> datetime:
    """The time of a request to restore. Raises NotRestorable.

    Args:
        service: properties of the blob service.
        wanted: `timeToRestore` and `blobRanges`.
        enabled: when restore was enabled.
    """
    policy = service.get("restorePolicy") or {}
    if not policy.get("enabled"):
        raise NotRestorable("RestorePolicyNotEnabled", "Point-in-time restore is not enabled for the storage account.")
    if not 1 <= len(wanted.get("blobRanges") or []) <= 10:
        raise NotRestorable("InvalidBlobRanges", "A restore has 1 to 10 ranges of blobs.")
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", str(wanted.get("timeToRestore"))):
        raise NotRestorable("InvalidTimeToRestore", f"timeToRestore {wanted.get('timeToRestore')!r} is not a time in UTC.")
    time = datetime.fromisoformat(str(wanted["timeToRestore"]))
    earliest = max(enabled, now - timedelta(days=policy["days"]))
    if not earliest <= time < now:
        raise NotRestorable(
            "InvalidTimeToRestore",
            f"timeToRestore {wanted['timeToRestore']} is not between {earliest:%Y-%m-%dT%H:%M:%SZ}, the earliest restore "
            f"point, and now.",
        )
    return time
