"""What a container's URL says."""

import pytest

from tests.customization.azurite import ACCOUNT_KEY
from vision_customization.common.blob_container import ContainerUrl, container_sas
from vision_customization.common.errors import StorageError


@pytest.mark.parametrize(
    ("url", "account", "container", "loopback"),
    [
        ("https://me.blob.core.windows.net/training", "me", "training", False),
        ("https://me.blob.core.windows.net/training/", "me", "training", False),
        ("https://me.blob.core.usgovcloudapi.net/t", "me", "t", False),
        ("http://127.0.0.1:10000/devstoreaccount1/training", "devstoreaccount1", "training", True),
        ("http://localhost:10000/acct/training", "acct", "training", True),
        ("http://azurite:10000/acct/training", "acct", "training", False),
        ("http://10.0.0.4:10000/acct/training", "acct", "training", False),
    ],
)
def test_the_parts_of_a_container_url(url: str, account: str, container: str, loopback: bool) -> None:
    assert ContainerUrl.parse(url) == ContainerUrl(url.rstrip("/"), account, container, loopback)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://me.blob.core.windows.net", "must be like"),
        ("https://me.blob.core.windows.net/a/b", "must be like"),
        ("http://127.0.0.1:10000/training", "must be like"),
        ("ftp://me.blob.core.windows.net/training", "must be like"),
        ("https://me.blob.core.windows.net/training?sig=secret", "remove the query string or user name"),
        ("https://me:secret@me.blob.core.windows.net/training", "remove the query string or user name"),
    ],
)
def test_what_is_no_container_url(url: str, expected: str) -> None:
    with pytest.raises(StorageError, match=expected) as caught:
        ContainerUrl.parse(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "https_only"),
    [("https://me.blob.core.windows.net/training", True), ("http://127.0.0.1:10000/acct/training", False)],
)
def test_a_sas_token_reads_and_lists(url: str, https_only: bool) -> None:
    from datetime import UTC, datetime

    token = container_sas(url, ACCOUNT_KEY, datetime(2030, 1, 1, tzinfo=UTC))
    assert not token.startswith("?")
    fields = dict(field.split("=", 1) for field in token.split("&"))
    assert fields["sp"] == "rl"
    assert fields["sr"] == "c"
    assert fields.get("spr") == ("https" if https_only else None)
