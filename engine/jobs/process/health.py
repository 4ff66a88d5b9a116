"""The health checks of a worker, for a container's probes: a worker has no API, so it answers only `GET /livez` and
`GET /healthz`."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from vision_customization.contract.errors import ErrorCode
from vision_customization.engine.runtime.listening import listening

STALE_SECONDS = 60.0
"""A worker checks its jobs every few seconds. One that has not done so for this long takes no jobs: it waits for its
database, or it hangs."""

HUNG_SECONDS = 600.0
"""A worker that has not checked its jobs for this long hangs: no restart or failover of a database takes as long."""

_CALLER_SECONDS = 5.0
"""Time limit for one caller's request and answer."""

_CALLERS_MAX = 16


class Pulse:
    """The time of a worker's last check of its jobs. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: float | None = None

    def beat(self) -> None:
        self._last = self._clock()

    def unready(self) -> str | None:
        """Why the worker takes no jobs; None if it does."""
        return "The worker is starting." if self._last is None else self._silent_for(STALE_SECONDS)

    def dead(self) -> str | None:
        """Why only a restart helps; None while the worker starts, works, or waits for its database."""
        return None if self._last is None else self._silent_for(HUNG_SECONDS)

    def _silent_for(self, seconds: float) -> str | None:
        silent = self._clock() - (self._last or 0.0)
        return f"The worker has not checked its jobs for {silent:.0f} seconds." if silent > seconds else None


@contextmanager
def answering_health(host: str, port: int, pulse: Pulse) -> Iterator[int]:
    """Answer 200 or 503 at /livez and /healthz from separate threads. Yields the port. Raises SettingsError if it is taken."""

    class Handler(BaseHTTPRequestHandler):
        timeout = _CALLER_SECONDS

        def do_GET(self) -> None:
            status, answer = _answer(self.path, pulse)
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def version_string(self) -> str:
            return "vision-engine"

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base class
            """Logs nothing: probes call every few seconds for as long as the worker runs."""

    with listening(host, port, "health_port") as listener:
        server = _Server(listener, Handler)
        ending = threading.Event()

        def answer() -> None:
            while not ending.is_set():
                server.handle_request()  # sleeps until one comes; `serve_forever` would look twice a second whether it ends

        thread = threading.Thread(target=answer, name="health", daemon=True)
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            ending.set()
            with suppress(OSError), socket.socket(listener.family) as caller:
                caller.connect(listener.getsockname())
            thread.join()


class _Server(ThreadingHTTPServer):
    """Answers at most _CALLERS_MAX callers at once. One more cuts off the oldest, because probes are quick."""

    daemon_threads = True

    def __init__(self, listener: socket.socket, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(listener.getsockname()[:2], handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self._callers: dict[socket.socket, None] = {}  # in the order in which they came
        self._lock = threading.Lock()

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as the base class has them
        with self._lock:
            if len(self._callers) >= _CALLERS_MAX:
                first = next(iter(self._callers))
                del self._callers[first]
                self._cut_off(first)
            self._callers[request] = None
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as the base class has them
        # The handler's own time limit starts again with each byte.
        ended = threading.Timer(_CALLER_SECONDS, self._cut_off, [request])
        ended.daemon = True
        ended.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            ended.cancel()
            with self._lock:
                self._callers.pop(request, None)

    @staticmethod
    def _cut_off(request: socket.socket) -> None:
        with suppress(OSError):  # it is closed already
            request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignores errors: it does not matter if a probe hangs up."""


def _answer(path: str, pulse: Pulse) -> tuple[int, dict[str, object]]:
    checks = {"/livez": pulse.dead, "/healthz": pulse.unready}
    check = checks.get(path.partition("?")[0])
    if check is None:
        return 404, _error("404", "A worker only answers /livez and /healthz.")
    if (trouble := check()) is not None:
        return 503, _error(ErrorCode.INTERNAL_SERVER_ERROR.value, trouble)
    return 200, {"status": "ok"}


def _error(code: str, message: str) -> dict[str, object]:
    return {"error": {"code": code, "message": message}}
