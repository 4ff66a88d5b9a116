"""The scale rules of apps whose replicas follow a queue, in PostgreSQL or in a storage account."""

from typing import Any

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
