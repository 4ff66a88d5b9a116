"""The blobs of a container, a page at a time."""

from collections.abc import Callable, Iterator
from typing import NamedTuple
from urllib.parse import quote, unquote
from xml.etree import ElementTree as ET

from vision_customization.engine.blobs.access import Access, Reader
from vision_customization.engine.blobs.address import LISTING, BlobAddress, BlobError, BlobErrorKind, Container
from vision_customization.engine.blobs.reader import Blob

PAGE_BLOBS = 5000
"""The most that Azure lists at once."""
_PAGE_BYTES_MAX = 64 * 1024 * 1024


class ListedBlob(NamedTuple):
    """A blob of a container: its percent-encoded URL, and the content type that it was uploaded with."""

    url: str
    content_type: str


def list_blobs(
    access: Access, reader: Reader, container_url: str, prefix: str, *, on_wait: Callable[[str], None] | None = None
) -> Iterator[list[ListedBlob]]:
    """The blobs of a container whose names begin with `prefix`, page by page, in the order of the service: by name.

    https://learn.microsoft.com/rest/api/storageservices/list-blobs

    Raises:
        BlobError: as `BlobReader.read`; notAllowed also for a URL that is not a container's; unreachable also for an answer
            that is not a list.
    """
    container = Container.at(BlobAddress.parse(container_url))
    if container is None:
        raise BlobError(BlobErrorKind.NOT_ALLOWED, f"{BlobAddress.parse(container_url).url} is not the URL of a container.")
    marker = ""
    while True:
        query = f"{LISTING}&maxresults={PAGE_BLOBS}&prefix={quote(prefix, safe='')}&marker={quote(marker, safe='')}"
        page = access.read(reader, f"{container.url}?{query}", max_bytes=_PAGE_BYTES_MAX, on_wait=on_wait)
        assert isinstance(page, Blob), "only a read with an etag is answered otherwise"
        blobs, marker = _page(page.data, container)
        yield blobs
        if not marker:
            return


def _page(data: bytes, container: Container) -> tuple[list[ListedBlob], str]:
    """The blobs of a page, and where the next begins; empty after the last."""
    refusal = BlobError(
        BlobErrorKind.UNREACHABLE, f"{container.url} does not list its blobs: the answer is not that of a blob service."
    )
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise refusal
    try:
        root = ET.fromstring(data)  # noqa: S314 - without a document type there is no entity to expand
    except ET.ParseError:
        raise refusal from None
    if root.tag != "EnumerationResults":
        raise refusal
    return [_listed(blob, container) for blob in root.iterfind("Blobs/Blob")], root.findtext("NextMarker") or ""


def _listed(blob: ET.Element, container: Container) -> ListedBlob:
    name = blob.find("Name")
    assert name is not None, "each blob of a list has a name"
    # The service encodes a name only if XML cannot hold it.
    text = name.text or ""
    text = unquote(text) if name.get("Encoded") == "true" else text
    return ListedBlob(f"{container.url}/{quote(text, safe='/')}", blob.findtext("Properties/Content-Type") or "")
