"""What a visitor who scrolls through the grid asks of the engine, without a browser: as if the browser ran on another machine.

Like the page's own scripts, it asks for the cells in pages of 60, and for each picture in sight, six at a time; for one that
the engine has no room to make now, it asks again. A line of JSON on stdin begins (`{"do": "begin", "at": 1000}`, from that
image on) or ends (`{"do": "stop"}`) the scrolling; the answer to the latter has the pictures per second that came.
"""

import http.client
import json
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode, urlsplit

CONNECTIONS = 6
"""As many as a browser has to one host."""
CELLS = 60
_LEAST_NICENESS = 19


class RemoteVisitor:
    """Signed in by a one-time code. Scrolls `in_sight` pictures, `screens` times a second."""

    def __init__(self, endpoint: str, code: str, dataset: str, in_sight: int, screens: float) -> None:
        self._host = urlsplit(endpoint).netloc
        self._path = f"/studio/datasets/{dataset}/cells"
        self._in_sight = in_sight
        self._screens = screens
        self._connections = threading.local()
        self._pool = ThreadPoolExecutor(CONNECTIONS)
        self._scroller = ThreadPoolExecutor(1)
        self._stopping = threading.Event()
        self._came = 0
        form = urlencode({"code": code})
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
        reply = self._ask("POST", "/studio/sign-in", form, headers)
        self._cookie = str(reply[1]["Set-Cookie"]).partition(";")[0]

    def begin(self, at: int) -> None:
        self._stopping.clear()
        self._connections = threading.local()  # those of the last time may have been closed meanwhile
        self._came, self._began = 0, time.perf_counter()
        self._scrolling = self._scroller.submit(self._scroll, at)

    def stop(self) -> float:
        """Pictures per second that came. Raises what ended the scrolling before."""
        self._stopping.set()
        self._scrolling.result()
        return self._came / (time.perf_counter() - self._began)

    def _scroll(self, at: int) -> None:
        pictures: list[str] = []
        due = time.perf_counter()
        while not self._stopping.is_set():
            if len(pictures) < self._in_sight:
                query = urlencode({"start": at, "count": CELLS})
                cells = json.loads(self._ask("GET", f"{self._path}?{query}")[0])["cells"]
                pictures += [cell["picture"] for cell in cells]
                at += CELLS
            screen, pictures = pictures[: self._in_sight], pictures[self._in_sight :]
            for _ in self._pool.map(lambda path: self._ask("GET", path), screen):
                self._came += 1
            due = max(due + 1 / self._screens, time.perf_counter())
            self._stopping.wait(due - time.perf_counter())

    def _ask(
        self, method: str, path: str, body: str | None = None, headers: dict[str, str] | None = None
    ) -> tuple[bytes, http.client.HTTPMessage]:
        if not hasattr(self._connections, "one"):
            self._connections.one = http.client.HTTPConnection(self._host, timeout=60)
        connection: http.client.HTTPConnection = self._connections.one
        sent = headers or {"Cookie": self._cookie, "Sec-Fetch-Site": "same-origin"}
        while True:
            connection.request(method, path, body, sent)
            reply = connection.getresponse()
            data = reply.read()
            if reply.status in (200, 303):
                return data, reply.headers
            if reply.status != 503:
                raise RuntimeError(f"{method} {path}: {reply.status} {data[:200]!r}")
            if self._stopping.wait(float(reply.headers["Retry-After"])):
                return data, reply.headers


def main() -> None:
    endpoint, code, dataset, in_sight, screens = sys.argv[1:]
    os.nice(_LEAST_NICENESS)
    visitor = RemoteVisitor(endpoint, code, dataset, int(in_sight), float(screens))
    for line in sys.stdin:
        order = json.loads(line)
        if order["do"] == "begin":
            visitor.begin(order["at"])
            answer: dict[str, float] = {}
        else:
            answer = {"pictures": visitor.stop()}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
