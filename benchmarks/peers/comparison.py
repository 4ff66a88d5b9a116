"""The engine, LitServe and BentoML on the same exported file, under the same load in the same run."""

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image
from rich.console import Console

from benchmarks.figures import Figure
from benchmarks.load import Answers, analyze_requests, answer_bodies
from benchmarks.measured_engine import CONTAINER, MeasuredEngine
from benchmarks.peers.environment import ensure_environment
from benchmarks.peers.servers import BENTOML, LITSERVE, running_peer, setups_of
from benchmarks.processes import Script, resident_megabytes, running_engine
from benchmarks.samples import textile_sets
from benchmarks.turns import P50, P99, THROUGHPUT, Server, compare_all, take_turns
from toolchain.places import find_places
from vision_customization.engine.settings import usable_cores

CLIENTS = (1, 32)
THROUGHPUT_LIMITS = {1: 1.5, 32: 1.1}
TAIL_LIMIT = 1.0
"""Of the engine's p99 to the better peer's."""
AGREEMENT_LIMIT = 1e-4
"""Of the greatest difference between two probabilities of a tag. It would be larger if a peer ran other work."""

ENGINE = "the engine"
_MODEL = "peers"


@dataclass(frozen=True)
class Load:
    """How much is measured: `images_a_tag` to train with and to send, as JPEGs of `width` pixels, or as they are."""

    rounds: int
    seconds: float
    images_a_tag: int
    width: int | None = None


def measure_peers(work: Path, load: Load, console: Console) -> list[Figure]:
    """Train a classifier, then let all servers answer with it. Everything is written below `work`.

    Raises:
        ToolchainError: the peers cannot be installed.
        RuntimeError: a server does not start, or does not answer as the others do.
    """
    console.print("the peers' environment …")
    python = ensure_environment(find_places())
    trained, sent = textile_sets(work / "blobs", CONTAINER, 2, load.images_a_tag)
    console.print(f"training with {len(trained.images)} images …")
    with Script("benchmarks.blobs", str(work / "blobs")) as blobs:
        host = f"127.0.0.1:{blobs.ask(do='port')['port']}"
        with running_engine(work / "engine", host) as engine:
            MeasuredEngine(engine, f"http://{host}", console).train(_MODEL, trained)
            model = engine.model_file(_MODEL)
    images = [_sent(Path(file), load.width) for file in sent.files]
    with ExitStack() as stack:
        # Another process than the one that trained: its workers hold nothing yet.
        engine = stack.enter_context(running_engine(work / "engine", "127.0.0.1:9"))
        requests = analyze_requests(engine.endpoint, engine.key, _MODEL, images)
        servers = [Server(ENGINE, engine.endpoint, engine.process.pid, requests)]
        setups = [setup for peer in (LITSERVE, BENTOML) for setup in setups_of(peer, usable_cores())]
        for number, setup in enumerate(setups):
            console.print(f"starting {setup.name} …")
            peer = stack.enter_context(running_peer(setup, python, model, work / f"peer{number}"))
            servers.append(Server(setup.name, peer.endpoint, peer.process.pid, peer.requests(images)))
        _check_agreement(servers)
        figures = []
        for clients in CLIENTS:
            console.print(f"{clients} client{'s' * (clients > 1)} …")
            answers = take_turns(servers, clients=clients, rounds=load.rounds, seconds=load.seconds)
            figures += to_figures(answers, clients, os.getloadavg()[0])
        return [*figures, *_memory(servers)]


def to_figures(answers: Mapping[str, Sequence[Answers]], clients: int, load: float) -> list[Figure]:
    """The engine's answers against those of each peer in each set-up; the limits apply to the best of these.

    Args:
        answers: for each round, by ENGINE and the names of the set-ups.
    """
    others = {name: its for name, its in answers.items() if name != ENGINE}
    title = f"{clients} client{'s' * (clients > 1)}"
    limits = ((THROUGHPUT, THROUGHPUT_LIMITS[clients]), (P50, None), (P99, TAIL_LIMIT))
    return [
        figure
        for quantity, limit in limits
        for figure in compare_all(quantity, answers[ENGINE], others, title=title, load=load, limit=limit)
    ]


def _sent(file: Path, width: int | None) -> bytes:
    if width is None:
        return file.read_bytes()
    with Image.open(file) as image:
        enlarged = image.resize((width, round(image.height * width / image.width)), Image.Resampling.BICUBIC)
    buffer = BytesIO()
    enlarged.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def _check_agreement(servers: Sequence[Server]) -> None:
    """Raises RuntimeError if a server's probabilities differ: it would do other work than the others."""
    expected, *others = [[probabilities(body) for body in answer_bodies(each.endpoint, each.requests)] for each in servers]
    for server, found in zip(servers[1:], others, strict=True):
        difference = max(abs(mine[tag] - its[tag]) for mine, its in zip(expected, found, strict=True) for tag in mine)
        if difference > AGREEMENT_LIMIT:
            raise RuntimeError(
                f"{server.name} answers otherwise than {servers[0].name}: a probability differs by {difference:.2g}, "
                f"which is more than {AGREEMENT_LIMIT:g}. They do not do the same work, so their speed cannot be compared."
            )


def probabilities(body: bytes) -> dict[str, float]:
    """The probability of each tag in an answer of the engine, of LitServe or of BentoML."""
    answer = json.loads(body)
    if "customModelResult" in answer:
        return {tag["name"]: tag["confidence"] for tag in answer["customModelResult"]["tagsResult"]["values"]}
    return dict(answer.get("probabilities", answer))


def _memory(servers: Sequence[Server]) -> list[Figure]:
    load = os.getloadavg()[0]
    sizes = {server.name: resident_megabytes(server.pid) for server in servers}
    return [Figure(f"memory of all processes: {name}", "MB", (size,), load) for name, size in sizes.items()]
