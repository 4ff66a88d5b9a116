"""What is compared of the engine and its peers, and how."""

import json

import pytest

from benchmarks.load import Answers, http_requests
from benchmarks.peers.comparison import ENGINE, probabilities, to_figures
from benchmarks.peers.servers import LITSERVE, setups_of
from benchmarks.turns import P50, P99, THROUGHPUT, Quantity, compare_all


def answers(per_second: int, slowest: float = 0.0) -> Answers:
    """Of one second; the last answer takes `slowest` seconds longer than the others."""
    seconds = [1 / per_second] * per_second
    seconds[-1] += slowest
    return Answers(seconds, 1.0)


def test_the_limit_applies_to_the_best_of_the_others() -> None:
    others = {"a": [answers(50), answers(100)], "b": [answers(90), answers(90)]}
    figures = compare_all(THROUGHPUT, [answers(100), answers(90)], others, title="32 clients", load=1.0, limit=1.1)
    assert [figure.name for figure in figures] == ["32 clients, calls per second: to a", "32 clients, calls per second: to b"]
    assert [figure.limit for figure in figures] == [None, 1.1]  # the medians are 75 and 90
    assert figures[1].ratios == (100 / 90, 1.0)
    assert not figures[1].met


@pytest.mark.parametrize(("quantity", "expected"), [(P50, "b"), (P99, "a")])
def test_fewer_milliseconds_are_better(quantity: Quantity, expected: str) -> None:
    others = {"a": [answers(50)], "b": [answers(90, slowest=1.0)]}
    figures = compare_all(quantity, [answers(60)], others, title="1 client", load=1.0, limit=1.0)
    assert [figure.name.rpartition(" ")[2] for figure in figures if figure.limit is not None] == [expected]


@pytest.mark.parametrize(("clients", "throughput"), [(1, 1.5), (32, 1.1)])
def test_throughput_and_tail_have_limits(clients: int, throughput: float) -> None:
    figures = to_figures({ENGINE: [answers(200)], "LitServe 2 × 1": [answers(100)]}, clients, 1.0)
    assert [(figure.limit, figure.at_least) for figure in figures] == [(throughput, True), (None, False), (1.0, False)]
    assert all(figure.met for figure in figures)
    assert [round(figure.value, 6) for figure in figures] == [2.0, 0.5, 0.5]


def test_a_peer_has_a_worker_for_each_core_or_all_threads_in_one() -> None:
    assert [setup.name for setup in setups_of(LITSERVE, 4)] == ["LitServe 4 × 1", "LitServe 1 × 4"]
    assert [setup.name for setup in setups_of(LITSERVE, 1)] == ["LitServe 1 × 1"]


@pytest.mark.parametrize(
    "answer",
    [
        {"cat": 0.75, "dog": 0.25},
        {"probabilities": {"cat": 0.75, "dog": 0.25}},
        {
            "customModelResult": {
                "tagsResult": {"values": [{"name": "cat", "confidence": 0.75}, {"name": "dog", "confidence": 0.25}]}
            }
        },
    ],
)
def test_every_server_states_the_probability_of_each_tag(answer: dict[str, object]) -> None:
    assert probabilities(json.dumps(answer).encode()) == {"cat": 0.75, "dog": 0.25}


def test_requests_have_their_headers_and_lengths() -> None:
    first, second = http_requests("http://127.0.0.1:80", "/predict", {"Content-Type": "image/png"}, [b"abc", b""])
    assert first == b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1:80\r\nContent-Type: image/png\r\nContent-Length: 3\r\n\r\nabc"
    assert second.endswith(b"Content-Length: 0\r\n\r\n")
