"""Many clients at once, with as little work as HTTP allows, so that the service gets the cores."""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from urllib.parse import urlsplit

API_VERSION = "2023-04-01-preview"
_APART_SECONDS = 0.01
"""Between two connections. Where several processes accept from one socket, one of them would take all that come at once."""


@dataclass(frozen=True)
class Answers:
    """`seconds` of each answer, which came in `elapsed` seconds."""

    seconds: Sequence[float]
    elapsed: float

    @property
    def per_second(self) -> float:
        return len(self.seconds) / self.elapsed


def analyze_requests(endpoint: str, key: str, model_name: str, images: Sequence[bytes]) -> list[bytes]:
    """Whole HTTP/1.1 requests to the engine, one for each image."""
    path = f"/computervision/imageanalysis:analyze?api-version={API_VERSION}&model-name={model_name}"
    headers = {"Ocp-Apim-Subscription-Key": key, "Content-Type": "application/octet-stream"}
    return http_requests(endpoint, path, headers, images)


def http_requests(endpoint: str, path: str, headers: Mapping[str, str], bodies: Sequence[bytes]) -> list[bytes]:
    """Whole HTTP/1.1 POST requests, one for each body."""
    lines = [f"POST {path} HTTP/1.1", f"Host: {urlsplit(endpoint).netloc}", *(f"{name}: {headers[name]}" for name in headers)]
    head = "\r\n".join(lines)
    return [f"{head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body for body in bodies]


def answer_bodies(endpoint: str, requests: Sequence[bytes]) -> list[bytes]:
    """What each request is answered with, one after the other on one connection.

    Raises:
        RuntimeError: an answer is not 200.
    """

    async def send_all() -> list[bytes]:
        reader, writer = await _connect(endpoint)
        try:
            return [await _exchange(reader, writer, request) for request in requests]
        finally:
            writer.close()

    return asyncio.run(send_all())


def answer_seconds(endpoint: str, requests: Sequence[bytes]) -> list[float]:
    """How long each request takes, one after the other on one connection.

    Raises:
        RuntimeError: an answer is not 200.
    """

    async def send_all() -> list[float]:
        reader, writer = await _connect(endpoint)
        seconds = []
        try:
            for request in requests:
                started = time.perf_counter()
                await _exchange(reader, writer, request)
                seconds.append(time.perf_counter() - started)
        finally:
            writer.close()
        return seconds

    return asyncio.run(send_all())


def closed_loop(endpoint: str, requests: Sequence[bytes], *, clients: int, seconds: float) -> Answers:
    """The answers if each client sends the next request as soon as it has its answer.

    Raises:
        RuntimeError: an answer is not 200.
    """
    return asyncio.run(_run(endpoint, requests, clients, seconds))


async def _run(endpoint: str, requests: Sequence[bytes], clients: int, seconds: float) -> Answers:
    connections = []
    for _ in range(clients):
        connections.append(await _connect(endpoint))
        await asyncio.sleep(_APART_SECONDS)
    started = time.perf_counter()
    try:
        # One sequence for all clients: an image comes again only after all others, so that nobody can answer from a memory of
        # the last ones. A client that began a request in time finishes it, so the time counts until the last answer.
        following = cycle(requests)
        done = await asyncio.gather(*(_send(reader, writer, following, started + seconds) for reader, writer in connections))
        return Answers([each for client in done for each in client], time.perf_counter() - started)
    finally:
        for _, writer in connections:
            writer.close()


async def _connect(endpoint: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    address = urlsplit(endpoint)
    assert address.hostname is not None
    return await asyncio.open_connection(address.hostname, address.port)


async def _send(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, requests: Iterator[bytes], deadline: float
) -> list[float]:
    seconds: list[float] = []
    while (started := time.perf_counter()) < deadline:
        await _exchange(reader, writer, next(requests))
        seconds.append(time.perf_counter() - started)
    return seconds


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> bytes:
    """The answer's body."""
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    lengths = [line[15:] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    body = await reader.readexactly(int(lengths[0]))
    if not head.startswith(b"HTTP/1.1 200 "):
        raise RuntimeError(f"the service answered {head.splitlines()[0].decode()}: {body[:300].decode(errors='replace')}")
    return body
