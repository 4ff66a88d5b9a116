"""Several servers under the same load, in turns, because a machine is not equally busy all the time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.figures import Figure, compare, percentile
from benchmarks.load import Answers, closed_loop
from benchmarks.processes import asleep

WARM_UP_SECONDS = 1.0


@dataclass(frozen=True)
class Server:
    """A running server with the process `pid`, and whole requests to it."""

    name: str
    endpoint: str
    pid: int
    requests: Sequence[bytes]


@dataclass(frozen=True)
class Quantity:
    """What is compared of the answers of one turn."""

    name: str
    unit: str
    of: Callable[[Answers], float]
    more_is_better: bool = False


THROUGHPUT = Quantity("calls per second", "/s", lambda answers: answers.per_second, more_is_better=True)
P50 = Quantity("p50", "ms", lambda answers: 1000 * median(answers.seconds))
P99 = Quantity("p99", "ms", lambda answers: 1000 * percentile(answers.seconds, 0.99))


def take_turns(servers: Sequence[Server], *, clients: int, rounds: int, seconds: float) -> dict[str, list[Answers]]:
    """The answers of each server, by its name, for each round. The others sleep meanwhile.

    Each turn begins with calls that do not count, and each round with another server, so that none always follows the same one.
    """
    answers: dict[str, list[Answers]] = {server.name: [] for server in servers}
    with asleep([server.pid for server in servers]) as awake:
        for number in range(rounds):
            first = number % len(servers)
            for server in (*servers[first:], *servers[:first]):
                with awake(server.pid):
                    closed_loop(server.endpoint, server.requests, clients=clients, seconds=WARM_UP_SECONDS)
                    answered = closed_loop(server.endpoint, server.requests, clients=clients, seconds=seconds)
                answers[server.name].append(answered)
    return answers


def compare_all(
    quantity: Quantity,
    mine: Sequence[Answers],
    others: Mapping[str, Sequence[Answers]],
    *,
    title: str,
    load: float,
    limit: float | None = None,
) -> list[Figure]:
    """A figure for each other server. The limit applies to the best of them, by the median of the rounds.

    Args:
        mine: for each round.
        others: for each round, by the server's name.
    """
    values = {name: [quantity.of(each) for each in answers] for name, answers in others.items()}
    choose = max if quantity.more_is_better else min
    best = choose(values, key=lambda name: median(values[name]))
    return [
        compare(
            f"{title}, {quantity.name}: to {name}",
            quantity.unit,
            [quantity.of(each) for each in mine],
            its,
            load=load,
            limit=limit if name == best else None,
            at_least=quantity.more_is_better,
        )
        for name, its in values.items()
    ]
