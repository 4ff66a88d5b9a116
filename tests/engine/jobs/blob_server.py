"""Blobs over HTTP on the loopback interface."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class BlobServer:
    """Serves `blobs` by path, with their digests as ETags; remembers what it was asked."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    requests: list[tuple[str, int]] = field(default_factory=list)
    """Path with query, and the status it was answered with."""
    before_reply: Callable[[str], None] = lambda _path: None
    busy: Callable[[str], bool] = lambda _path: False
    """Whether a path is answered with 503 for now."""
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

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            blobs.before_reply(self.path)
            data = blobs.blobs.get(self.path.split("?")[0])
            etag = None if data is None else f'"{hashlib.sha256(data).hexdigest()[:16]}"'
            status = (
                503 if blobs.busy(self.path) else 404 if data is None else 304 if self.headers["If-None-Match"] == etag else 200
            )
            blobs.requests.append((self.path, status))
            self.send_response(status)
            if etag is not None:
                self.send_header("ETag", etag)
            body = data if status == 200 and data is not None else b""
            if status != 304:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """A client that was killed is what these tests are about."""

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    blobs.netloc = f"127.0.0.1:{server.server_address[1]}"
    blobs.url = f"http://{blobs.netloc}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield blobs
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
