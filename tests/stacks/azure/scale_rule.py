"""The scale rules of apps and jobs that follow a queue, in PostgreSQL or in a storage account, as KEDA evaluates them."""

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
MESSAGES: dict[str, Any] = {
    "name": "jobs",
    "azureQueue": {"accountName": "visiontraining", "queueName": "workers", "queueLength": 1, "identity": "/identities/engine"},
}
"""Rules of an app."""


class ScalerFailed(Exception):
    """A scaler can't ask: while it can't, the platform starts nothing and ends nothing."""


@dataclass(frozen=True)
class ScaleRule:
    """`target`: what a replica or an execution is for."""

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


@dataclass(frozen=True)
class QueueRule(ScaleRule):
    """A scale rule that counts rows of PostgreSQL."""

    connection: str
    query: str


@dataclass(frozen=True)
class StorageQueueRule(ScaleRule):
    """A scale rule that counts messages of a queue in a storage account, as an identity."""

    account_name: str
    queue_name: str
    identity_id: str


def rules_of_app(rules: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """An app's rules as a job has them: `custom` without its own level, and `azureQueue` by KEDA's name of the scaler."""
    custom = [{**rule["custom"], "name": rule.get("name")} for rule in rules if rule.get("custom")]
    queues = [{"name": rule.get("name"), "queue": rule["azureQueue"]} for rule in rules if rule.get("azureQueue")]
    return [
        *custom,
        *(
            {
                "name": each["name"],
                "type": "azure-queue",
                "metadata": {key: value for key, value in each["queue"].items() if key not in ("identity", "auth")},
                "identity": each["queue"].get("identity"),
            }
            for each in queues
        ),
    ]


def queue_rule(
    rules: Sequence[Mapping[str, Any]], secrets: Mapping[str, str], identities: Sequence[str]
) -> QueueRule | StorageQueueRule | None:
    """The rule among those of a job, or of an app in the same form. `identities` are those that are assigned to it."""
    for rule in rules:
        if rule.get("type") == "azure-queue":
            return _storage_queue_rule(rule, identities)
        if rule.get("type") != "postgresql":
            raise _refusal(f"scale rule {rule.get('name')}: type {rule.get('type')} is not played")
        if rule.get("identity"):
            # The scaler gets no metadata, and asks a socket that nobody listens on: azure-container-apps#1786.
            return QueueRule(1, "host=/tmp/no-server", "")
        by = {auth.get("triggerParameter"): auth.get("secretRef", "") for auth in rule.get("auth") or ()}
        metadata = rule.get("metadata") or {}
        missing = [name for name in ("query", "targetQueryValue") if name not in metadata]
        if missing or "connection" not in by:
            raise _refusal(f"scale rule {rule.get('name')} lacks {', '.join(missing) or 'connection'}")
        return QueueRule(float(metadata["targetQueryValue"]), secret_of(secrets, by["connection"]), metadata["query"])
    return None


def _storage_queue_rule(rule: Mapping[str, Any], identities: Sequence[str]) -> StorageQueueRule:
    """By identity alone: a connection string holds a key of the account, which takes none."""
    metadata, identity = rule.get("metadata") or {}, str(rule.get("identity") or "")
    missing = [name for name in ("accountName", "queueName", "queueLength") if not metadata.get(name)]
    if missing or not identity:
        raise _refusal(f"scale rule {rule.get('name')} lacks {', '.join(missing) or 'identity'}")
    if identity.lower() not in map(str.lower, identities):
        raise _refusal(f"scale rule {rule.get('name')}: {identity} is not assigned to the app")
    return StorageQueueRule(float(metadata["queueLength"]), metadata["accountName"], metadata["queueName"], identity)


def secret_of(secrets: Mapping[str, str], name: str) -> str:
    if name not in secrets:
        raise WorldFailure(
            400, "ContainerAppSecretRefNotFound", f"SecretRef '{name}' is not one of the app's secrets: {sorted(secrets)}"
        )
    return secrets[name]


def queue_length(rule: QueueRule) -> float:
    """The first value that the query gives. Raises ScalerFailed, also while the tables are still to come."""
    try:
        with psycopg.connect(rule.connection, autocommit=True, connect_timeout=10) as opened:
            row = opened.execute(rule.query.encode()).fetchone()
            return float(row[0] or 0) if row else 0.0
    except psycopg.Error as error:
        raise ScalerFailed(f"{type(error).__name__}: {error}") from None


def _refusal(message: str) -> WorldFailure:
    return WorldFailure(400, "ContainerAppInvalidTemplate", message)
