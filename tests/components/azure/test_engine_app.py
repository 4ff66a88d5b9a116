"""The Container Apps; what they are as a whole is tests/stacks/azure."""

from vision_customization.components.azure.engine_app import UNFINISHED_JOBS
from vision_customization.contract.queue_length import QUEUE_LENGTH_QUERY


def test_workers_scale_with_the_engines_own_query() -> None:
    assert UNFINISHED_JOBS == QUEUE_LENGTH_QUERY
