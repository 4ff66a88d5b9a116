"""A service on a loopback port that answers what a test tells it to."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.support.http_server import Handler, serving_http
from vision_customization.customization.client.client import RetryPolicy, VisionClient

KEY = "a-key-that-is-in-no-message"


@dataclass
class Received:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401
        return json.loads(self.body)


@dataclass
class Answer:
    """`cut`: the request is taken, and the connection closed without a word."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False


@dataclass
class FakeService:
    """Answers are given in turn; `handler`, if set, answers instead."""

    url: str = ""
    answers: list[Answer] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    handler: Callable[[Received], Answer] | None = None
    health: Answer = field(default_factory=lambda: Answer(200, {}))

    def client(self, **options: Any) -> VisionClient:  # noqa: ANN401
        options = {"retry": RetryPolicy(attempts=3, base_seconds=0.1), "sleep": self.slept.append, **options}
        return VisionClient(self.url, KEY, timeout_seconds=(5, 5), **options)

    def answer(self, request: Received) -> Answer:
        self.received.append(request)
        if self.handler is not None:
            return self.handler(request)
        return self.answers.pop(0)


@contextmanager
def fake_service() -> Iterator[FakeService]:
    """Runs until the context ends."""
    fake = FakeService()

    class Serving(Handler):
        def respond(self) -> None:
            parts = urlsplit(self.path)
            request = Received(self.command, parts.path, dict(parse_qsl(parts.query)), dict(self.headers), self.body())
            # Asked of a service of this machine before it is told to delete something.
            answer = fake.health if parts.path == "/healthz" else fake.answer(request)
            if answer.cut:
                self.close_connection = True
                return
            data = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
            self.answer(answer.status, data, {"Content-Type": "application/json", **answer.headers})

        do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = respond  # noqa: N815

    with serving_http(Serving) as port:
        fake.url = f"http://127.0.0.1:{port}"
        yield fake
