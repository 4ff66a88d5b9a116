"""Blobs over HTTP on the loopback interface."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.support.http_server import Handler, serving_http


@dataclass
class BlobServer:
    """Serves `blobs` by path, with their digests as ETags; remembers what it was asked."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    requests: list[tuple[str, int]] = field(default_factory=list)
    """Path with query, and the status it was answered with."""
    before_reply: Callable[[str], None] = lambda _path: None
    busy: Callable[[str], bool] = lambda _path: False
    """Whether a path is answered with 503 for now."""
    denied: Callable[[str], bool] = lambda _path: False
    """Whether a path is answered with 403."""
    url: str = ""
    netloc: str = ""

    def put(self, path: str, data: bytes) -> str:
        self.blobs[path] = data
        return self.url + path

    def served(self, status: int = 200) -> list[str]:
        return [path for path, answered in self.requests if answered == status]


@contextmanager
def serving_blobs() -> Iterator[BlobServer]:
    blobs = BlobServer()

    class Serving(Handler):
        def do_GET(self) -> None:  # noqa: N802
            blobs.before_reply(self.path)
            data = blobs.blobs.get(self.path.split("?")[0])
            etag = None if data is None else f'"{hashlib.sha256(data).hexdigest()[:16]}"'
            present = 404 if data is None else 304 if self.headers["If-None-Match"] == etag else 200
            status = 503 if blobs.busy(self.path) else 403 if blobs.denied(self.path) else present
            blobs.requests.append((self.path, status))
            body = data if status == 200 and data is not None else b""
            self.answer(status, body, {} if etag is None else {"ETag": etag})

    with serving_http(Serving) as port:
        blobs.netloc = f"127.0.0.1:{port}"
        blobs.url = f"http://{blobs.netloc}"
        yield blobs
