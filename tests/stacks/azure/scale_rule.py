"""The scale rule of an app or a job that follows a queue in PostgreSQL, as KEDA evaluates it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from tests.stacks.azure.world import WorldFailure

QUEUE: dict[str, Any] = {
    "name": "jobs",
    "custom": {
        "type": "postgresql",
        "metadata": {"query": "SELECT 5", "targetQueryValue": "2"},
        "auth": [{"secretRef": "database-url", "triggerParameter": "connection"}],
    },
}
"""A rule of an app."""


@dataclass(frozen=True)
class QueueRule:
    """A scale rule that counts rows of PostgreSQL."""

    connection: str
    query: str
    target: float

    def replicas(self, value: float) -> int:
        """How many replicas of an app the value of the query asks for."""
        return math.ceil(value / self.target)

    def executions(self, value: float, running: int, most: int) -> int:
        """How many executions of a job to start beside those that run, of `most` in all: KEDA's default strategy.

        `scaleTo` is the value, `maxScale` the least of `most` and value / target, of which `runningJobCount` is taken:
        https://github.com/kedacore/keda/blob/main/pkg/scaling/executor/scale_jobs.go
        """
        return max(0, min(math.ceil(value), min(most, math.ceil(value / self.target)) - running))


def queue_rule(rules: Sequence[Mapping[str, Any]], secrets: Mapping[str, str]) -> QueueRule | None:
    """The rule among those of an app (its key `custom`) or of a job."""
    for rule in rules:
        if rule.get("type") != "postgresql":
            raise _refusal(f"scale rule {rule.get('name')}: type {rule.get('type')} is not played")
        if rule.get("identity"):
            # The scaler gets no metadata, and asks a socket that nobody listens on: azure-container-apps#1786.
            return QueueRule("host=/tmp/no-server", "", 1)
        by = {auth.get("triggerParameter"): auth.get("secretRef", "") for auth in rule.get("auth") or ()}
        metadata = rule.get("metadata") or {}
        missing = [name for name in ("query", "targetQueryValue") if name not in metadata]
        if missing or "connection" not in by:
            raise _refusal(f"scale rule {rule.get('name')} lacks {', '.join(missing) or 'connection'}")
        return QueueRule(secret_of(secrets, by["connection"]), metadata["query"], float(metadata["targetQueryValue"]))
    return None


def secret_of(secrets: Mapping[str, str], name: str) -> str:
    if name not in secrets:
        raise WorldFailure(
            400, "ContainerAppSecretRefNotFound", f"SecretRef '{name}' is not one of the app's secrets: {sorted(secrets)}"
        )
    return secrets[name]


def queue_length(connection: str, query: str) -> float:
    """The first value that a query gives. Raises psycopg.Error."""
    with psycopg.connect(connection, autocommit=True, connect_timeout=10) as opened:
        row = opened.execute(query.encode()).fetchone()
        return float(row[0] or 0) if row else 0.0


def _refusal(message: str) -> WorldFailure:
    return WorldFailure(400, "ContainerAppInvalidTemplate", message)
