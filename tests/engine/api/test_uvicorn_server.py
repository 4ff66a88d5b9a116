"""The server without uvicorn's clock: its `Date` header is true all the same, and it ends at once when it is asked to."""

import signal
import threading
import time
import urllib.request
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

import pytest
import uvicorn
from starlette.responses import PlainTextResponse

from vision_customization.engine.api.uvicorn_server import RestingServer
from vision_customization.engine.runtime.listening import listening


@pytest.fixture
def running() -> Iterator[tuple[RestingServer, threading.Thread, str]]:
    with listening("127.0.0.1", 0) as listener:
        config = uvicorn.Config(PlainTextResponse("ok"), log_config=None, access_log=False, lifespan="off", loop="uvloop")
        server = RestingServer(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        yield server, thread, f"http://127.0.0.1:{listener.getsockname()[1]}/"
        server.handle_exit(signal.SIGTERM, None)
        thread.join(10)


def date_of(url: str) -> float:
    with urllib.request.urlopen(url, timeout=10) as reply:
        return parsedate_to_datetime(reply.headers["Date"]).timestamp()


def test_the_date_of_an_answer_is_its_own(running: tuple[RestingServer, threading.Thread, str]) -> None:
    _, _, url = running
    for _ in range(2):
        before = int(time.time())
        assert before <= date_of(url) <= time.time()
        time.sleep(1.1)


def test_it_ends_when_it_is_asked_to(running: tuple[RestingServer, threading.Thread, str]) -> None:
    server, thread, url = running
    date_of(url)
    begun = time.monotonic()
    server.handle_exit(signal.SIGTERM, None)
    thread.join(10)
    assert not thread.is_alive()
    assert time.monotonic() - begun < 2


def test_it_ends_if_it_was_asked_before_it_began() -> None:
    with listening("127.0.0.1", 0) as listener:
        server = RestingServer(uvicorn.Config(PlainTextResponse("ok"), log_config=None, lifespan="off"))
        server.handle_exit(signal.SIGTERM, None)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        thread.join(10)
        assert not thread.is_alive()
