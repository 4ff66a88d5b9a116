"""The Container Apps; what they are as a whole is tests/stacks/azure."""

from components.engine import UNFINISHED_JOBS
from engine.jobs.scaling import QUEUE_LENGTH_QUERY


def test_workers_scale_with_the_engines_own_query() -> None:
    assert UNFINISHED_JOBS == QUEUE_LENGTH_QUERY
