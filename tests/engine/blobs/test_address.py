"""Which URLs are read at all, what may be shown of them, and where a SAS token may go."""

import pickle

import pytest

from vision_customization.engine.blobs.address import (
    BlobAddress,
    BlobError,
    BlobErrorKind,
    Container,
    HostPolicy,
    is_public,
    without_query,
)

AZURE = "https://acct.blob.core.windows.net"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("file:///etc/passwd", "absolute http"),
        ("ftp://acct.blob.core.windows.net/c/b", "absolute http"),
        ("//acct.blob.core.windows.net/c/b", "absolute http"),
        ("gopher://127.0.0.1:70/_x", "absolute http"),
        ("AmlDatastore://store/a.png", "absolute http"),
        ("c/b.png", "absolute http"),
        ("", "absolute http"),
        ("https://user:secret@acct.blob.core.windows.net/c/b", "user name"),
        ("https://acct.blob.core.windows.net@127.0.0.1/c/b", "user name"),
        ("https://acct.blob.core.windows.net\\@127.0.0.1/c/b", "user name"),
        ("https://acct.blob.core.windows.net/c/b\r\nHost: x", "control character"),
        ("https://acct.blob.core.windows.net/c/a\tb", "control character"),
        ("https://acct.blob.core.windows.net/c/../d/b", "'..' segment"),
        ("https://acct.blob.core.windows.net/c/%2e%2E/d/b", "'..' segment"),
        ("https:///c/b", "does not name a valid host"),
        ("https://bücher.example/c/b", "does not name a valid host"),
        (f"https://{'a' * 64}.blob.core.windows.net/c/b", "does not name a valid host"),
        (f"https://{'a.' * 126}blob.core.windows.net/c/b", "does not name a valid host"),
        ("https://acct.blob.core.windows.net:99999/c/b", "is not a URL"),
        ("https://[::1/c/b", "is not a URL"),
    ],
)
def test_what_is_no_plain_http_url_is_refused(url: str, says: str) -> None:
    with pytest.raises(BlobError, match=says) as refused:
        BlobAddress.parse(url)
    assert refused.value.kind is BlobErrorKind.NOT_ALLOWED
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"{AZURE}/c/b.png?sig=abc", f"{AZURE}/c/b.png"),
        (f"{AZURE}/c/b.png#sig=abc", f"{AZURE}/c/b.png"),
        (f"{AZURE}:443/c/b.png", f"{AZURE}/c/b.png"),
        ("HTTPS://ACCT.Blob.Core.Windows.Net./c/B.png", f"{AZURE}/c/B.png"),
        (f"{AZURE}/c/grün.png", f"{AZURE}/c/gr%C3%BCn.png"),
        (f"{AZURE}/c/a b.png", f"{AZURE}/c/a%20b.png"),
        (f"{AZURE}/c/a%20b.png", f"{AZURE}/c/a%20b.png"),
        ("http://127.0.0.1:10000/a/c/b", "http://127.0.0.1:10000/a/c/b"),
        ("http://[::1]:10000/a/c/b", "http://[::1]:10000/a/c/b"),
        (AZURE, f"{AZURE}/"),
    ],
)
def test_a_blob_is_known_by_its_url_without_query(url: str, shown: str) -> None:
    assert BlobAddress.parse(url).url == shown


@pytest.mark.parametrize(
    ("url", "says"),
    [
        (f"{AZURE}/c/b", None),
        ("https://acct.z12.blob.storage.azure.net/c/b", None),
        ("http://acct.blob.core.windows.net/c/b", "only read over https"),
        (f"{AZURE}:8443/c/b", "only read over https"),
        ("https://evilblob.core.windows.net/c/b", "a host that is not allowed"),
        ("https://blob.core.windows.net.evil.example/c/b", "a host that is not allowed"),
        ("https://example.com/c/b", "VISION_ENGINE_ALLOWED_HOSTS"),
        ("http://127.0.0.1:10000/a/c/b", None),
        ("http://127.0.0.1:10001/a/c/b", "a host that is not allowed"),
        ("http://localhost:10000/a/c/b", "a host that is not allowed"),
        ("http://2130706433:10000/a/c/b", "a host that is not allowed"),
        ("http://0x7f.1:10000/a/c/b", "a host that is not allowed"),
        ("http://169.254.169.254/metadata/identity", "a host that is not allowed"),
        ("http://[::1]:10000/a/c/b", None),
        ("http://[::ffff:127.0.0.1]:10000/a/c/b", "a host that is not allowed"),
        ("http://images.internal/c/b", None),
        ("https://images.internal:8443/c/b", None),
        ("http://sub.images.internal/c/b", "a host that is not allowed"),
    ],
)
def test_only_azure_and_hosts_allowed_by_name_are_read(url: str, says: str | None) -> None:
    policy = HostPolicy.of(["127.0.0.1:10000", "Images.Internal", "[::1]:10000"])
    address = BlobAddress.parse(url)
    if says is None:
        policy.check(address)
    else:
        with pytest.raises(BlobError, match=says):
            policy.check(address)


@pytest.mark.parametrize(
    ("ip", "public"),
    [
        ("20.60.1.1", True),
        ("2603:1030::1", True),
        ("127.0.0.1", False),
        ("0.0.0.0", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("ff02::1", False),
        ("::ffff:10.0.0.1", False),
        ("::ffff:20.60.1.1", True),
        ("64:ff9b::a9fe:a9fe", False),
        ("2002:a00:1::1", False),
        ("2001:0:53aa:64c::1", False),
    ],
)
def test_private_addresses_are_told_from_public_ones(ip: str, public: bool) -> None:
    assert is_public(ip) is public


def test_an_azure_name_must_not_resolve_to_a_private_address_unless_it_is_allowed_by_name() -> None:
    host = "acct.blob.core.windows.net"
    with pytest.raises(BlobError, match=r"resolves to 10\.0\.0\.5"):
        HostPolicy().check_address(host, 443, "10.0.0.5")
    HostPolicy.of([host]).check_address(host, 443, "10.0.0.5")


@pytest.mark.parametrize(
    ("blob", "container"),
    [
        (f"{AZURE}/c/folder/train.json", f"{AZURE}/c"),
        (f"{AZURE}/c/train.json", f"{AZURE}/c"),
        (f"{AZURE}/train.json", AZURE),
        ("http://127.0.0.1:10000/devstoreaccount1/c/train.json", "http://127.0.0.1:10000/devstoreaccount1/c"),
        ("http://127.0.0.1:10000/devstoreaccount1/c/deep/train.json", "http://127.0.0.1:10000/devstoreaccount1/c"),
        ("http://images.internal/c/train.json", "http://images.internal/c"),
    ],
)
def test_the_container_of_a_blob(blob: str, container: str) -> None:
    assert Container.of(blob).url == container


@pytest.mark.parametrize(
    ("url", "inside"),
    [
        (f"{AZURE}/c/a.png", True),
        (f"{AZURE}/c/deep/a.png", True),
        (f"{AZURE}/c2/a.png", False),
        (f"{AZURE}/C/a.png", False),
        (f"{AZURE}/c", False),
        (f"{AZURE}/c?restype=container&comp=list&prefix=a", True),
        (f"{AZURE}/c2?restype=container&comp=list", False),
        (f"{AZURE}/a.png", False),
        ("https://other.blob.core.windows.net/c/a.png", False),
        ("http://acct.blob.core.windows.net/c/a.png", False),
        (f"{AZURE}:444/c/a.png", False),
    ],
)
def test_a_container_holds_its_own_blobs_alone(url: str, inside: bool) -> None:
    assert Container.of(f"{AZURE}/c/train.json").holds(BlobAddress.parse(url)) is inside


def test_the_root_container_does_not_hold_the_others() -> None:
    root = Container.of(f"{AZURE}/train.json")
    assert root.holds(BlobAddress.parse(f"{AZURE}/a.png"))
    assert not root.holds(BlobAddress.parse(f"{AZURE}/c/a.png"))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://a/b?sig=secret", "https://a/b"),
        ("https://a/b#sig=secret", "https://a/b"),
        ("https://me:secret@a/b", "https://a/b"),
        ("sig=x?secret", "sig=x"),
        ("https://a/\x1b[31m", "https://a/\N{REPLACEMENT CHARACTER}[31m"),
        ("https://a/" + "b" * 400, "https://a/" + "b" * 289 + "…"),
    ],
)
def test_what_is_shown_of_a_url(url: str, shown: str) -> None:
    assert without_query(url) == shown


def test_the_error_survives_being_kept() -> None:
    error = pickle.loads(pickle.dumps(BlobError(BlobErrorKind.DENIED, "no")))
    assert (error.kind, error.message) == (BlobErrorKind.DENIED, "no")
