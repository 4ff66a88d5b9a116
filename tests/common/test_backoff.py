import pytest

from vision_customization.common.backoff import Backoff
from vision_customization.customization.client.transport import RetryPolicy
from vision_customization.engine.blobs import reader
from vision_customization.engine.jobs.process import worker_processes
from vision_customization.engine.jobs.steps.retrying import PAUSES_SECONDS


@pytest.mark.parametrize(
    ("backoff", "waits"),
    [
        (Backoff(1), (1, 2, 4, 8, 16, 32)),
        (Backoff(0.5, 3), (0.5, 1, 2, 3, 3, 3)),
        (Backoff(5, 3), (3, 3, 3, 3, 3, 3)),
    ],
)
def test_waits_double_up_to_the_longest(backoff: Backoff, waits: tuple[float, ...]) -> None:
    assert backoff.waits(6) == waits


def test_a_wait_is_random_between_its_share_and_all_of_it() -> None:
    waits = {Backoff(1, 8, least_share=0.5).wait_seconds(3) for _ in range(50)}
    assert len(waits) > 1
    assert all(2 <= wait <= 4 for wait in waits)


@pytest.mark.parametrize(("asked", "wait"), [(None, 1), (0.5, 1), (-3, 1), (5, 5), (99, 10)])
def test_what_a_server_asks_for_counts_where_it_is_longer(asked: float | None, wait: float) -> None:
    assert Backoff(1, asked_max_seconds=10).wait_seconds(1, asked) == wait


def test_the_waits_stay_finite() -> None:
    assert Backoff(0.5, 30).wait_seconds(100_000) == 30


# What is tried again, and how patiently: a change of these figures is one of behaviour.


def test_the_figures_of_the_client() -> None:
    for attempt, most in enumerate((0.4, 0.8, 1.6, 3.2, 6.4, 10, 10)):
        assert all(most / 2 <= RetryPolicy().wait_seconds(attempt, None) <= most for _ in range(20))
    assert RetryPolicy().wait_seconds(0, 99) == 60


def test_the_figures_of_the_blob_reader() -> None:
    for attempt, most in enumerate((0.2, 0.4, 0.8), 1):
        assert all(most / 2 <= reader._Busy("busy").wait_seconds(attempt) <= most for _ in range(20))
    assert [reader._Busy("busy", asked).wait_seconds(1) for asked in ("3", "99")] == [3, 10]
    assert reader._Busy("busy", "soon").wait_seconds(1) <= 0.2


def test_the_figures_of_a_jobs_steps() -> None:
    assert PAUSES_SECONDS == (1, 2, 4, 8, 16, 30, 30)


def test_the_figures_of_the_worker_processes() -> None:
    assert worker_processes._BACKOFF.waits(8) == (0.5, 1, 2, 4, 8, 16, 30, 30)
