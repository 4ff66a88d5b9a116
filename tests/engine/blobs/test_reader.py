"""Reading over real HTTP on the loopback interface: versions, sizes, redirects, retries, and where credentials go."""

import hashlib
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

import httpcore
import pytest
from pydantic import SecretStr

from tests.engine.blobs.site import Reply, Site, serving
from vision_customization.engine.blobs.address import HostPolicy
from vision_customization.engine.blobs.connection import CheckedBackend
from vision_customization.engine.blobs.reader import Blob, BlobError, BlobErrorKind, BlobReader, NotModified, Spooled

SAS = SecretStr("?sv=2024&sig=TOPSECRET")


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as site:
        yield site


@pytest.fixture
def other_site() -> Iterator[Site]:
    with serving() as site:
        yield site


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def reader(site: Site, other_site: Site, pauses: list[float]) -> Iterator[BlobReader]:
    with BlobReader([site.netloc, other_site.netloc], sleep=pauses.append, timeout_seconds=5) as reader:
        yield reader


def refusal(read: Callable[[], object]) -> BlobError:
    with pytest.raises(BlobError) as raised:
        read()
    assert "TOPSECRET" not in str(raised.value) + repr(raised.value)
    assert raised.value.__cause__ is None
    return raised.value


def test_a_blob_and_its_version(site: Site, reader: BlobReader) -> None:
    url = site.on("/a/c/b.png", Reply(headers={"ETag": '"v1"'}, body=b"pixels"))
    assert reader.read(url) == Blob(b"pixels", '"v1"')


def test_an_unchanged_blob_is_not_sent_again_and_the_connection_is_kept(site: Site, reader: BlobReader) -> None:
    url = site.on("/a/c/b.png", Reply(304, {"ETag": '"v1"'}))
    for _ in range(3):
        assert reader.read(url, etag='"v1"') == NotModified()
    assert [headers["if-none-match"] for _, headers in site.requests] == ['"v1"'] * 3
    assert len(site.connections) == 1


@pytest.mark.parametrize(
    ("status", "kind", "says"),
    [
        (404, BlobErrorKind.NOT_FOUND, "does not exist"),
        (403, BlobErrorKind.DENIED, "the container http://127.0.0.1:"),
        (401, BlobErrorKind.DENIED, "Storage Blob Data Reader"),
        (400, BlobErrorKind.UNREACHABLE, "answers 400"),
        (304, BlobErrorKind.UNREACHABLE, "answers 304"),
        (206, BlobErrorKind.UNREACHABLE, "answers 206"),
    ],
)
def test_other_answers_are_told(site: Site, reader: BlobReader, status: int, kind: BlobErrorKind, says: str) -> None:
    url = site.on("/a/c/b.png", Reply(status, body=b"sig=TOPSECRET"))
    error = refusal(lambda: reader.read(url + "?sig=TOPSECRET"))
    assert error.kind is kind
    assert says in error.message
    assert "/a/c/b.png" in error.message
    assert len(site.requests) == 1


@pytest.mark.parametrize("length", [True, False])
def test_a_blob_that_is_too_large_is_not_read_to_its_end(site: Site, reader: BlobReader, length: bool) -> None:
    url = site.on("/a/c/b.png", Reply(body=b"x" * 1001, length=length))
    assert refusal(lambda: reader.read(url, max_bytes=1000)).kind is BlobErrorKind.TOO_LARGE
    site.on("/a/c/b.png", Reply(body=b"x" * 1000, length=length))
    assert isinstance(reader.read(url, max_bytes=1000), Blob)


@pytest.mark.parametrize("first", [Reply(429), Reply(500), Reply(502), Reply(503), Reply(504), Reply(0)])
def test_a_busy_server_is_asked_again(site: Site, reader: BlobReader, pauses: list[float], first: Reply) -> None:
    url = site.on("/a/c/b.png", first, first, Reply(body=b"pixels"))
    assert reader.read(url) == Blob(b"pixels", None)
    assert len(pauses) == 2
    assert 0.1 <= pauses[0] <= 0.2 <= pauses[1] <= 0.4


@pytest.mark.parametrize(("asked", "pause"), [("3", 3.0), ("60", 10.0), ("soon", 0.2), ("-1", 0.2)])
def test_it_waits_as_long_as_the_server_asks_within_reason(
    site: Site, reader: BlobReader, pauses: list[float], asked: str, pause: float
) -> None:
    url = site.on("/a/c/b.png", Reply(503, {"Retry-After": asked}), Reply(body=b"pixels"))
    reader.read(url)
    assert pauses[0] == pytest.approx(pause, abs=0.11)


def test_it_gives_up_after_four_attempts(site: Site, reader: BlobReader, pauses: list[float]) -> None:
    url = site.on("/a/c/b.png", Reply(503))
    error = refusal(lambda: reader.read(url, sas=SAS, sas_scope=f"http://{site.netloc}/a/c"))
    assert (error.kind, len(site.requests), len(pauses)) == (BlobErrorKind.UNREACHABLE, 4, 3)
    assert "answers 503" in error.message


@pytest.mark.parametrize(
    "start",
    [b"", b"HTTP/1.1 200 OK\r\nx: ", b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n"],
    ids=["silence", "head", "body"],
)
def test_a_server_that_sends_byte_after_byte_is_left_in_time(start: bytes) -> None:
    ended = threading.Event()

    def drip(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(65536)
            connection.sendall(start)
            while start and not ended.wait(0.02):
                connection.sendall(b".")
            ended.wait(10)

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=drip, args=(listening.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=accept, daemon=True).start()
        netloc = f"127.0.0.1:{listening.getsockname()[1]}"
        with BlobReader([netloc]) as reader:
            started = time.monotonic()
            error = refusal(lambda: reader.read(f"http://{netloc}/a/c/b.png?sig=TOPSECRET", limit_seconds=0.3))
            taken = time.monotonic() - started
        ended.set()
        listening.shutdown(socket.SHUT_RDWR)
    assert error.kind is BlobErrorKind.UNREACHABLE
    assert "could not be read within 0.3 seconds" in error.message
    assert taken < 2


def test_a_server_that_asks_for_more_time_than_there_is_is_not_waited_for(
    site: Site, reader: BlobReader, pauses: list[float]
) -> None:
    url = site.on("/a/c/b.png", Reply(503, {"Retry-After": "9"}))
    assert "within 5 seconds" in refusal(lambda: reader.read(url, limit_seconds=5)).message
    assert (len(site.requests), pauses) == (1, [])


def test_a_port_that_nobody_listens_on(reader: BlobReader, other_site: Site, pauses: list[float]) -> None:
    with BlobReader(["127.0.0.1:9"], sleep=pauses.append) as reader:
        assert "ConnectError" in refusal(lambda: reader.read("http://127.0.0.1:9/a/c/b")).message


def test_a_sas_token_is_sent_to_its_container_alone(site: Site, other_site: Site, reader: BlobReader) -> None:
    scope = f"http://{site.netloc}/a/c"
    for path in ("/a/c/b.png", "/a/d/b.png"):
        reader.read(site.on(path, Reply(body=b"x")), sas=SAS, sas_scope=scope)
    reader.read(site.on("/a/c/q.png", Reply(body=b"x")) + "?snapshot=1", sas=SAS, sas_scope=scope)
    reader.read(other_site.on("/a/c/b.png", Reply(body=b"x")), sas=SAS, sas_scope=scope)
    assert site.asked() == ["/a/c/b.png?sv=2024&sig=TOPSECRET", "/a/d/b.png", "/a/c/q.png?snapshot=1&sv=2024&sig=TOPSECRET"]
    assert other_site.asked() == ["/a/c/b.png"]


def test_a_redirect_takes_no_token_out_of_its_container(site: Site, other_site: Site, reader: BlobReader) -> None:
    scope = f"http://{site.netloc}/a/c"
    away = other_site.on("/a/c/b.png", Reply(body=b"pixels"))
    url = site.on("/a/c/b.png", Reply(302, {"Location": "/a/c/moved.png"}))
    site.on("/a/c/moved.png", Reply(307, {"Location": away}, body=b"gone"))
    assert reader.read(url, sas=SAS, sas_scope=scope) == Blob(b"pixels", None)
    assert site.asked() == ["/a/c/b.png?sv=2024&sig=TOPSECRET", "/a/c/moved.png?sv=2024&sig=TOPSECRET"]
    assert other_site.asked() == ["/a/c/b.png"]


@pytest.mark.parametrize(
    ("location", "kind", "says"),
    [
        ("http://169.254.169.254/metadata/identity", BlobErrorKind.NOT_ALLOWED, "169.254.169.254:80, a host that is"),
        ("http://localhost:1/", BlobErrorKind.NOT_ALLOWED, "a host that is not allowed"),
        ("file:///etc/passwd", BlobErrorKind.NOT_ALLOWED, "absolute http"),
        ("http://[", BlobErrorKind.NOT_ALLOWED, "http://[ is not a URL"),
        ("//[?sig=TOPSECRET", BlobErrorKind.NOT_ALLOWED, "is not a URL"),
        (f"http://{'a' * 64}.blob.core.windows.net/", BlobErrorKind.NOT_ALLOWED, "does not name a valid host"),
        ("//metadata.google.internal/x", BlobErrorKind.NOT_ALLOWED, "a host that is not allowed"),
        ("http://me:TOPSECRET@localhost/", BlobErrorKind.NOT_ALLOWED, "user name"),
        ("/a/c/b.png", BlobErrorKind.UNREACHABLE, "redirects more than 5 times"),
    ],
)
def test_each_hop_of_a_redirect_is_checked(
    site: Site, reader: BlobReader, location: str, kind: BlobErrorKind, says: str
) -> None:
    url = site.on("/a/c/b.png", Reply(302, {"Location": location}))
    error = refusal(lambda: reader.read(url))
    assert error.kind is kind
    assert says in error.message


class Resolved:
    """A resolver that answers as told, one answer a call, and counts."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["10.0.0.1"], ["20.60.1.1", "169.254.169.254"], ["::ffff:127.0.0.1"], ["::1"]]
)
def test_a_public_name_that_resolves_to_a_private_address_is_not_connected_to(addresses: list[str]) -> None:
    with BlobReader(resolve=Resolved(addresses)) as reader:
        error = refusal(lambda: reader.read("https://acct.blob.core.windows.net/c/b?sig=TOPSECRET"))
    assert error.kind is BlobErrorKind.NOT_ALLOWED
    assert "not a public address" in error.message


def test_the_address_that_was_checked_is_the_one_connected_to(site: Site) -> None:
    resolve = Resolved(["127.0.0.1"], ["203.0.113.1"])
    with BlobReader(["images.test"], resolve=resolve) as reader:
        site.on("/c/b.png", Reply(body=b"pixels"))
        assert reader.read(f"http://images.test:{site.port}/c/b.png") == Blob(b"pixels", None)
    assert resolve.asked == ["images.test"]
    assert site.requests[0][1]["host"] == f"images.test:{site.port}"


@pytest.mark.parametrize("why", [OSError("no such name"), UnicodeError("label empty or too long")])
def test_a_name_that_does_not_resolve(pauses: list[float], why: Exception) -> None:
    def unknown(host: str, port: int) -> Sequence[str]:
        raise why

    with BlobReader(["images.test"], resolve=unknown, sleep=pauses.append) as reader:
        assert refusal(lambda: reader.read("http://images.test/c/b")).kind is BlobErrorKind.UNREACHABLE


def test_a_reader_that_is_closed_leaves_no_connection_to_one_who_was_about_to_make_it() -> None:
    backend = CheckedBackend(HostPolicy.of(["127.0.0.1"]), lambda _host, _port: ["127.0.0.1"])
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        before = backend.connect_tcp("127.0.0.1", port)
        backend.close()
        with pytest.raises(OSError, match="Bad file descriptor"):
            before.get_extra_info("socket").getpeername()
        with pytest.raises(httpcore.ConnectError, match="the connections have been closed"):
            backend.connect_tcp("127.0.0.1", port)


def test_a_blob_is_spooled_to_a_file_whole_even_if_an_attempt_ended_within_it(site: Site, reader: BlobReader) -> None:
    blob = bytes(range(256)) * 1000
    cut = Reply(headers={"ETag": '"v0"', "Content-Length": str(len(blob))}, body=blob[:70_000], length=False)
    url = site.on("/a/c/train.json", cut, Reply(headers={"ETag": '"v1"'}, body=blob))
    with tempfile.TemporaryFile() as target:
        target.write(b"x" * 300_000)
        spooled = reader.spool(url, target, max_bytes=len(blob))
        target.seek(0)
        assert target.read() == blob
    assert spooled == Spooled(hashlib.sha256(blob).hexdigest(), len(blob), '"v1"')
    assert len(site.requests) == 2


def test_an_unchanged_blob_is_not_spooled_again_and_a_larger_one_is_refused(site: Site, reader: BlobReader) -> None:
    unchanged = site.on("/a/c/same.json", Reply(304, {"ETag": '"v1"'}))
    large = site.on("/a/c/large.json", Reply(body=b"x" * 101, length=False))
    with tempfile.TemporaryFile() as target:
        assert reader.spool(unchanged, target, etag='"v1"', max_bytes=100) == NotModified()
        error = refusal(lambda: reader.spool(f"{large}?sig=TOPSECRET", target, max_bytes=100))
    assert error.kind is BlobErrorKind.TOO_LARGE
    assert "maximum of 100 bytes" in error.message
