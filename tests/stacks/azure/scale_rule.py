"""The scale rule of an app whose replicas follow a queue in PostgreSQL."""

from typing import Any

QUEUE: dict[str, Any] = {
    "name": "jobs",
    "custom": {
        "type": "postgresql",
        "metadata": {"query": "SELECT 5", "targetQueryValue": "2"},
        "auth": [{"secretRef": "database-url", "triggerParameter": "connection"}],
    },
}
