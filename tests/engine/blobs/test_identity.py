"""The engine's own identity: where its tokens come from, where they may go, and how long a new role is waited for."""

import pickle
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr

from tests.engine.blobs.identities import CLIENT_ID, Clock, FixedIdentity, token_reply
from tests.engine.blobs.site import Reply, Site, serving, write_certificate
from vision_customization.engine.blobs.address import BlobAddress
from vision_customization.engine.blobs.identity import STORAGE_SCOPE, VISION_SCOPE, ManagedIdentity, NoToken, named
from vision_customization.engine.blobs.reader import Blob, BlobError, BlobErrorKind, BlobReader
from vision_customization.engine.blobs.role_wait import PAUSE_SECONDS
from vision_customization.engine.settings import Settings

SAS = SecretStr("?sv=2024&sig=TOPSECRET")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_certificate(tmp_path_factory.mktemp("tls") / "site.pem")


@pytest.fixture
def azure(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A host over TLS, whose certificate the environment names."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with serving(certificate) as site:
        yield site


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reader(azure: Site, clock: Clock) -> Iterator[BlobReader]:
    with BlobReader(
        identity_hosts=[azure.netloc],
        identity=FixedIdentity(),
        role_wait_seconds=Settings().role_wait_seconds,
        clock=clock,
        sleep=clock.sleep,
        timeout_seconds=10,
    ) as reader:
        yield reader


# Where tokens come from


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """What Container Apps offers in a container."""
    for name in ("MSI_ENDPOINT", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_CLIENT_SECRET"):
        monkeypatch.delenv(name, raising=False)
    with serving() as site:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{site.url}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", "the-header")
        monkeypatch.setenv("AZURE_CLIENT_ID", CLIENT_ID)
        yield site


@pytest.mark.parametrize("scope", [STORAGE_SCOPE, VISION_SCOPE])
def test_a_token_of_the_identity_that_is_chosen(endpoint: Site, scope: str) -> None:
    endpoint.on("/msi/token", token_reply(scope))
    identity = ManagedIdentity()
    assert (identity.token(scope), identity.token(scope)) == ("TOPSECRET", "TOPSECRET")
    assert (identity.client_id, named(identity)) == (CLIENT_ID, f"the engine's identity {CLIENT_ID}")
    ((path, headers),) = endpoint.requests  # the second comes from memory
    query = parse_qs(urlsplit(path).query)
    assert (query["client_id"], query["resource"]) == ([CLIENT_ID], [scope.removesuffix("/.default")])
    assert headers["x-identity-header"] == "the-header"


def test_an_identity_that_gives_no_token_is_named(endpoint: Site) -> None:
    endpoint.on("/msi/token", Reply(400, {"Content-Type": "application/json"}, b'{"statusCode":400,"message":"TOPSECRET"}'))
    with pytest.raises(NoToken, match=CLIENT_ID) as caught:
        ManagedIdentity().token(STORAGE_SCOPE)
    assert "TOPSECRET" not in str(caught.value)
    with BlobReader(resolve=lambda *_: ["20.60.1.1"]) as reader, pytest.raises(BlobError, match=CLIENT_ID) as raised:
        reader.read("https://acct.blob.core.windows.net/c/b", identity=True)
    assert raised.value.kind is BlobErrorKind.UNREACHABLE


def test_outside_azure_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("IDENTITY_ENDPOINT", "MSI_ENDPOINT", "AZURE_FEDERATED_TOKEN_FILE"):
        monkeypatch.delenv(place, raising=False)
    monkeypatch.setenv("AZURE_CLIENT_ID", CLIENT_ID)
    identity = ManagedIdentity()
    assert (identity.token(STORAGE_SCOPE), identity.client_id, named(identity)) == (None, None, "the engine's identity")


# Where they go


@pytest.mark.parametrize(
    ("url", "identity", "token", "sent"),
    [
        ("https://acct.blob.core.windows.net/c/b", True, "TOPSECRET", True),
        ("https://acct.blob.core.windows.net/c/b", False, "TOPSECRET", False),
        ("https://acct.blob.core.windows.net/c/b", True, None, False),
        ("https://trusted.example/a/c/b", True, "TOPSECRET", True),
        ("https://trusted.example:8443/a/c/b", True, "TOPSECRET", True),
        ("https://ported.example:8443/a/c/b", True, "TOPSECRET", True),
        ("https://ported.example/a/c/b", True, "TOPSECRET", False),
        ("http://trusted.example/a/c/b", True, "TOPSECRET", False),
        ("http://acct.blob.core.windows.net/c/b", True, "TOPSECRET", False),
        ("https://allowed.example/a/c/b", True, "TOPSECRET", False),
        ("https://sub.trusted.example/a/c/b", True, "TOPSECRET", False),
    ],
)
def test_tokens_go_to_azure_and_to_identity_hosts_over_https_alone(
    url: str, identity: bool, token: str | None, sent: bool
) -> None:
    hosts = ["Trusted.example", "ported.example:8443"]
    with BlobReader(
        ["allowed.example", "acct.blob.core.windows.net"], identity_hosts=hosts, identity=FixedIdentity(token)
    ) as reader:
        _, headers = reader._authorized(BlobAddress.parse(url), None, None, identity)
    assert ((b"Authorization", b"Bearer TOPSECRET") in headers) == sent


def test_a_token_of_the_datasets_own_goes_before_the_engines() -> None:
    reader = BlobReader(identity=FixedIdentity())
    address = BlobAddress.parse("https://acct.blob.core.windows.net/c/b")
    target, headers = reader._authorized(address, SAS, "https://acct.blob.core.windows.net/c", True)
    assert target.query == "sv=2024&sig=TOPSECRET"
    assert not any(name == b"Authorization" for name, _ in headers)


def test_an_identity_host_is_read_with_a_token_and_the_certificates_of_the_environment(azure: Site, reader: BlobReader) -> None:
    assert reader.read(azure.on("/a/c/b.png", Reply(body=b"pixels")), identity=True) == Blob(b"pixels", None)
    ((_, headers),) = azure.requests
    assert headers["authorization"] == "Bearer TOPSECRET"
    assert headers["x-ms-version"]
    with pytest.raises(BlobError, match="only read over https"):
        reader.read(f"http://{azure.netloc}/a/c/b.png", identity=True)


def test_a_certificate_that_the_environment_does_not_name_is_not_trusted(
    azure: Site, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with (
        BlobReader(identity_hosts=[azure.netloc], identity=FixedIdentity(), sleep=clock.sleep) as reader,
        pytest.raises(BlobError) as raised,
    ):
        reader.read(azure.on("/a/c/b.png", Reply(body=b"pixels")), identity=True)
    assert raised.value.kind is BlobErrorKind.UNREACHABLE
    assert azure.requests == []


def test_a_redirect_takes_no_token_elsewhere(azure: Site, clock: Clock) -> None:
    with (
        serving() as elsewhere,
        BlobReader([elsewhere.netloc], identity_hosts=[azure.netloc], identity=FixedIdentity()) as reader,
    ):
        url = azure.on("/a/c/b.png", Reply(302, {"Location": elsewhere.on("/x/y/z", Reply(body=b"pixels"))}))
        assert reader.read(url, identity=True) == Blob(b"pixels", None)
    assert "authorization" not in elsewhere.requests[0][1]


# How long a role is waited for

DENIED = Reply(403, {"x-ms-error-code": "AuthorizationPermissionMismatch"})


def test_a_role_that_comes_late_is_waited_for_and_the_job_told_why(
    azure: Site, reader: BlobReader, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[str] = []
    url = azure.on("/a/c/b.png", *[DENIED] * 20, Reply(body=b"pixels"))
    assert reader.read(url, identity=True, on_wait=told.append) == Blob(b"pixels", None)
    assert clock.pauses == [PAUSE_SECONDS] * 20
    assert len(set(told)) == 1
    assert f"Waiting for a role: the engine's identity {CLIENT_ID} gets 403 from {azure.url}/a/c" in told[0]
    assert (
        len([record for record in caplog.records if record.name == "vision_customization.engine.blobs.role_wait"]) == 2
    )  # a line a minute


def test_a_role_that_never_comes_is_named_in_the_end(azure: Site, reader: BlobReader, clock: Clock) -> None:
    url = azure.on("/a/c/b.png", DENIED)
    with pytest.raises(BlobError) as raised:
        reader.read(url, identity=True)
    assert raised.value.kind is BlobErrorKind.DENIED
    for expected in (
        f"{url} may not be read (403 AuthorizationPermissionMismatch)",
        f"the engine's identity {CLIENT_ID} lacks the role Storage Blob Data Reader on the container {azure.url}/a/c.",
        "retried for 180 seconds",
    ):
        assert expected in raised.value.message
    assert sum(clock.pauses) == 180


@pytest.mark.parametrize(
    ("reply", "identity", "limit_seconds"),
    [
        (DENIED, False, None),
        (DENIED, True, 4.0),
        (Reply(401), True, None),
        (Reply(404), True, None),
        (Reply(403), True, None),
        (Reply(403, {"x-ms-error-code": "AuthorizationFailure"}), True, None),
        (Reply(403, {"x-ms-error-code": "AuthenticationFailed"}), True, None),
        (Reply(403, {"x-ms-error-code": "AccountIsDisabled"}), True, None),
    ],
    ids=[
        "no identity",
        "no time",
        "a wrong token",
        "no blob",
        "no code",
        "a closed network",
        "an old token",
        "a disabled account",
    ],
)
def test_what_is_not_waited_for(
    azure: Site, reader: BlobReader, clock: Clock, reply: Reply, identity: bool, limit_seconds: float | None
) -> None:
    url = azure.on("/a/c/b.png", reply)
    with pytest.raises(BlobError):
        reader.read(url, identity=identity, limit_seconds=limit_seconds)
    assert clock.pauses == []
    assert len(azure.requests) == 1


def test_a_closed_network_is_named_and_not_a_role(azure: Site, reader: BlobReader) -> None:
    url = azure.on("/a/c/b.png", Reply(403, {"x-ms-error-code": "AuthorizationFailure"}))
    with pytest.raises(BlobError) as raised:
        reader.read(url, identity=True)
    assert (raised.value.kind, raised.value.code) == (BlobErrorKind.DENIED, "AuthorizationFailure")
    assert f"network rules of the storage account do not let the engine's identity {CLIENT_ID} in" in raised.value.message
    assert "Storage Blob Data Reader" not in raised.value.message
    copied = pickle.loads(pickle.dumps(raised.value))
    assert (copied.code, copied.message) == (raised.value.code, raised.value.message)


def test_who_is_told_may_end_the_waiting(azure: Site, reader: BlobReader, clock: Clock) -> None:
    def stop(why: str) -> None:
        raise KeyError(why)

    url = azure.on("/a/c/b.png", DENIED)
    with pytest.raises(KeyError):
        reader.read(url, identity=True, on_wait=stop)
    assert clock.pauses == []


# Whether it can read


@pytest.mark.parametrize("path", ["/a/c", "/a/c/", "/a/c/b.png", "/a/c/deep/b.png"])
@pytest.mark.parametrize("body", [b"", b"x" * 3000])
def test_a_check_asks_for_a_blob_or_lists_a_container(azure: Site, reader: BlobReader, path: str, body: bytes) -> None:
    container = path.strip("/") == "a/c"
    url = azure.on("/a/c" if container else path, Reply(body=body))
    reader.check(f"{azure.url}{path}", 10)
    assert url
    ((asked, headers),) = azure.requests
    assert asked == ("/a/c?restype=container&comp=list&maxresults=1" if container else path)
    assert headers["authorization"] == "Bearer TOPSECRET"


@pytest.mark.parametrize(
    ("path", "status", "kind", "expected"),
    [
        ("/a/c", 403, BlobErrorKind.DENIED, "lacks the role Storage Blob Data Reader on the container {url}/a/c."),
        ("/a/c/b.png", 403, BlobErrorKind.DENIED, "lacks the role Storage Blob Data Reader on the container {url}/a/c."),
        ("/a/c", 404, BlobErrorKind.NOT_FOUND, "{url}/a/c does not exist"),
        ("/a/c?sig=TOPSECRET", 200, BlobErrorKind.NOT_ALLOWED, "has a query"),
    ],
)
def test_a_check_that_fails_says_why_at_once(
    azure: Site, reader: BlobReader, clock: Clock, path: str, status: int, kind: BlobErrorKind, expected: str
) -> None:
    azure.on(path.split("?")[0], Reply(status))
    with pytest.raises(BlobError) as raised:
        reader.check(f"{azure.url}{path}", 4)
    assert raised.value.kind is kind
    assert expected.format(url=azure.url) in raised.value.message
    assert "TOPSECRET" not in raised.value.message
    assert clock.pauses == []
