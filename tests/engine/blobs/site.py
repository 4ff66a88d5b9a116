"""A small web server on the loopback interface that answers what a test tells it to, over TLS too."""

import ipaddress
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.http_server import Handler, serving_http

TLS_HOST = "127.0.0.2"
"""What plays Azure: clients treat 127.0.0.1 as this machine's own, and look for no certificates of the environment there."""


@dataclass
class Reply:
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    length: bool = True
    """Whether the reply says how long it is."""


@dataclass
class Site:
    """What each path answers: one reply, or several, of which the last stays."""

    host: str = "127.0.0.1"
    port: int = 0
    scheme: str = "http"
    replies: dict[str, list[Reply]] = field(default_factory=dict)
    answers: dict[str, Callable[[str], Reply]] = field(default_factory=dict)
    """Paths whose reply depends on the whole request target."""
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    connections: set[int] = field(default_factory=set)

    @property
    def netloc(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.netloc}"

    def on(self, path: str, *replies: Reply) -> str:
        self.replies[path] = list(replies)
        return self.url + path

    def asked(self) -> list[str]:
        return [path for path, _ in self.requests]


@contextmanager
def serving(certificate: Path | None = None) -> Iterator[Site]:
    """Runs until the context ends; with a certificate, over TLS on another loopback address."""
    site = Site() if certificate is None else Site(TLS_HOST, scheme="https")

    class Serving(Handler):
        def respond(self) -> None:
            site.requests.append((self.path, {key.lower(): value for key, value in self.headers.items()}))
            site.bodies.append(self.body())
            site.connections.add(self.client_address[1])
            path = self.path.split("?")[0]
            replies = site.replies.get(path, [Reply(404)])
            reply = replies.pop(0) if len(replies) > 1 else replies[0]
            if path in site.answers:
                reply = site.answers[path](self.path)
            if reply.status == 0:
                self.close_connection = True
                return
            body = reply.body if reply.status != 304 else b""
            self.send_response(reply.status)
            for key, value in reply.headers.items():
                self.send_header(key, value)
            if reply.length and reply.status != 304:
                self.send_header("Content-Length", str(len(body)))
            elif not reply.length:
                self.send_header("Connection", "close")
            self.end_headers()
            with suppress(ConnectionError):
                self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_HEAD = respond  # noqa: N815

    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    with serving_http(Serving, site.host, context=context) as site.port:
        yield site


def write_certificate(file: Path, host: str = TLS_HOST) -> Path:
    """A certificate of its own for `host`, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + secret)
    return file
