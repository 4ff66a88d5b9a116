"""Many clients at once, with as little work as HTTP allows, so that the service gets the cores."""

import asyncio
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

API_VERSION = "2023-04-01-preview"


def analyze_requests(endpoint: str, key: str, model_name: str, images: Sequence[bytes]) -> list[bytes]:
    """Whole HTTP/1.1 requests, one for each image."""
    head = (
        f"POST /computervision/imageanalysis:analyze?api-version={API_VERSION}&model-name={model_name} HTTP/1.1\r\n"
        f"Host: {urlsplit(endpoint).netloc}\r\nOcp-Apim-Subscription-Key: {key}\r\n"
        "Content-Type: application/octet-stream\r\nContent-Length: "
    )
    return [f"{head}{len(image)}\r\n\r\n".encode() + image for image in images]


def answer_seconds(endpoint: str, requests: Sequence[bytes]) -> list[float]:
    """How long each request takes, one after the other on one connection.

    Raises:
        RuntimeError: an answer is not 200.
    """

    async def send_all() -> list[float]:
        address = urlsplit(endpoint)
        assert address.hostname is not None
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
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


def answers_per_second(endpoint: str, requests: Sequence[bytes], *, clients: int, seconds: float) -> float:
    """How many requests per second are answered with 200 if each client sends the next as soon as it has its answer.

    Raises:
        RuntimeError: an answer is not 200.
    """
    return asyncio.run(_run(endpoint, requests, clients, seconds))


async def _run(endpoint: str, requests: Sequence[bytes], clients: int, seconds: float) -> float:
    address = urlsplit(endpoint)
    assert address.hostname is not None
    connections = await asyncio.gather(*(asyncio.open_connection(address.hostname, address.port) for _ in range(clients)))
    started = time.perf_counter()
    try:
        # A client that began a request in time finishes it, so the time counts until the last answer. The clients begin far
        # from each other, so that none sends an image that another has just sent: the engine keeps the features of the last.
        done = await asyncio.gather(
            *(
                _send(
                    reader,
                    writer,
                    [requests[(first * len(requests) // clients + offset) % len(requests)] for offset in range(len(requests))],
                    started + seconds,
                )
                for first, (reader, writer) in enumerate(connections)
            )
        )
        return sum(done) / (time.perf_counter() - started)
    finally:
        for _, writer in connections:
            writer.close()


async def _send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, requests: Sequence[bytes], deadline: float) -> int:
    done = 0
    while time.perf_counter() < deadline:
        await _exchange(reader, writer, requests[done % len(requests)])
        done += 1
    return done


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> None:
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    lengths = [line[15:] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    body = await reader.readexactly(int(lengths[0]))
    if not head.startswith(b"HTTP/1.1 200 "):
        raise RuntimeError(f"the service answered {head.splitlines()[0].decode()}: {body[:300].decode(errors='replace')}")
