"""Where a blob may be: which URLs are read, from which network addresses, and which container a SAS token is for.

This module only decides; `blobs` does the reading.
"""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self
from urllib.parse import unquote, urljoin, urlsplit

from vision_customization.common import redaction
from vision_customization.common.blob_container import AZURE_BLOB_SUFFIXES
from vision_customization.engine.errors import EngineError

_HOST = re.compile(r"^(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?$")
_UNSAFE = re.compile(r"[\x00-\x1f\x7f\\]")
LISTING = "restype=container&comp=list"
"""The query of a container's URL that lists its blobs."""
_DEFAULT_PORTS = {"http": 80, "https": 443}


class BlobErrorKind(StrEnum):
    NOT_ALLOWED = "notAllowed"
    NOT_FOUND = "notFound"
    DENIED = "denied"
    TOO_LARGE = "tooLarge"
    UNREACHABLE = "unreachable"


class BlobError(EngineError):
    """A blob that was not read. The text names the blob without its query, so that it never shows a SAS token. `code` is the
    storage's own, if it refused with one."""

    def __init__(self, kind: BlobErrorKind, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.code = code

    def __reduce__(self) -> tuple[type["BlobError"], tuple[object, ...]]:
        return type(self), (self.kind, self.message, self.code)


@dataclass(frozen=True, slots=True)
class BlobAddress:
    """An absolute http or https URL, parsed. `path` and `query` are percent-encoded; `host` is lower case."""

    scheme: str
    host: str
    port: int
    path: str
    query: str

    @classmethod
    def parse(cls, url: str) -> Self:
        """Raises BlobError (notAllowed) unless it is a plain http(s) URL, without user name, control characters and `..`."""
        shown = without_query(url)
        try:
            parts = urlsplit(url)
            host, port = (parts.hostname or "").lower().rstrip("."), parts.port
        except ValueError:
            raise _refused(shown, "is not a URL") from None
        if parts.scheme.lower() not in _DEFAULT_PORTS:
            raise _refused(shown, "is not an absolute http or https URL")
        if parts.username is not None or parts.password is not None:
            raise _refused(shown, "contains a user name")
        if _UNSAFE.search(url):
            raise _refused(shown, "contains a backslash or a control character")
        if ":" not in host and not (_HOST.match(host) and len(host) <= 253 and max(map(len, host.split("."))) <= 63):
            raise _refused(shown, "does not name a valid host")
        path = _percent_encoded(parts.path) or "/"
        if any(unquote(segment) in (".", "..") for segment in path.split("/")):
            raise _refused(shown, "contains a '.' or '..' segment")
        query = _percent_encoded(parts.query)
        scheme = parts.scheme.lower()
        return cls(scheme, host, _DEFAULT_PORTS[scheme] if port is None else port, path, query)

    @property
    def origin(self) -> str:
        """`scheme://host[:port]`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}")

    @property
    def url(self) -> str:
        """The URL without its query. It identifies a blob and may be shown."""
        return self.origin + self.path

    @property
    def is_azure(self) -> bool:
        return self.host.endswith(AZURE_BLOB_SUFFIXES)

    def with_query(self, query: str) -> "BlobAddress":
        """The same blob, with `query` appended to its own query."""
        return replace(self, query=f"{self.query}&{query}" if self.query else query)

    def redirected_to(self, location: str) -> "BlobAddress":
        """Raises BlobError as `parse` does."""
        try:
            return BlobAddress.parse(urljoin(self.url, location))
        except ValueError:
            raise _refused(without_query(location), f"is not a URL ({self.url} redirects there)") from None


@dataclass(frozen=True, slots=True)
class Container:
    """A blob container. A SAS token is for one container and is sent to no other.

    On Azure it is the first segment of the path. Emulators put the account before it. On other hosts, the first two segments
    count if there are that many.
    """

    origin: str
    prefix: str

    @classmethod
    def of(cls, url: str) -> Self:
        """The container of the blob at `url`. Raises BlobError (notAllowed)."""
        address = BlobAddress.parse(url)
        folders = address.path.split("/")[1:-1]
        depth = 1 if address.is_azure else 2
        return cls(address.origin, "/".join(["", *folders[:depth], ""]))

    @classmethod
    def at(cls, address: BlobAddress) -> Self | None:
        """The container that has this address; None for the address of a blob."""
        folders = address.path.strip("/").split("/")
        depth = 1 if address.is_azure else 2
        return cls(address.origin, "/".join(["", *folders, ""])) if len(folders) == depth and all(folders) else None

    @property
    def url(self) -> str:
        return self.origin + self.prefix.rstrip("/")

    def holds(self, address: BlobAddress) -> bool:
        """Whether it is the address of a blob in this container, or of the list of its blobs."""
        if address.query.startswith(LISTING):
            return Container.at(address) == self
        if address.origin != self.origin or not address.path.startswith(self.prefix):
            return False
        # Blobs of Azure's root container are at the top; a path with a folder is in another container.
        return self.prefix != "/" or "/" not in address.path[1:]


@dataclass(frozen=True, slots=True)
class HostPolicy:
    """Which hosts are read. Azure's blob endpoints are read over https on its default port, at public addresses only. Hosts
    allowed by name (`host` or `host:port`) are read over http or https, at any address. Identity hosts are read at any
    address, but over https only, because they get tokens of the engine's own identity, as Azure's endpoints do."""

    allowed_hosts: frozenset[str] = frozenset()
    identity_hosts: frozenset[str] = frozenset()

    @classmethod
    def of(cls, allowed_hosts: Sequence[str], identity_hosts: Sequence[str] = ()) -> Self:
        return cls(frozenset(map(str.lower, allowed_hosts)), frozenset(map(str.lower, identity_hosts)))

    def takes_identity(self, address: BlobAddress) -> bool:
        """Whether a token of the engine's own identity may be sent there."""
        if address.scheme != "https":
            return False
        return address.is_azure or _names(self.identity_hosts, address.host, address.port)

    def check(self, address: BlobAddress) -> None:
        """Raises BlobError (notAllowed) for a blob that must not be requested."""
        if _names(self.allowed_hosts, address.host, address.port):
            return
        if _names(self.identity_hosts, address.host, address.port):
            if address.scheme != "https":
                raise _refused(address.url, "is only read over https (VISION_ENGINE_IDENTITY_HOSTS)")
            return
        if not address.is_azure:
            raise _refused(
                address.url,
                f"is on {address.host}:{address.port}, a host that is not allowed. If you trust it, add it to "
                "VISION_ENGINE_ALLOWED_HOSTS (Azure's blob endpoints are always allowed)",
            )
        if (address.scheme, address.port) != ("https", 443):
            raise _refused(address.url, "is on an Azure blob endpoint: it is only read over https, on port 443")

    def check_address(self, host: str, port: int, ip: str) -> None:
        """Raises BlobError (notAllowed) for a network address that `host` must not resolve to."""
        if not _names(self.allowed_hosts | self.identity_hosts, host, port) and not is_public(ip):
            raise BlobError(
                BlobErrorKind.NOT_ALLOWED,
                f"{host} resolves to {ip}, which is not a public address. If that is intended, as with a private endpoint, add "
                "the host to VISION_ENGINE_IDENTITY_HOSTS (or VISION_ENGINE_ALLOWED_HOSTS)",
            )


def _names(hosts: frozenset[str], host: str, port: int) -> bool:
    bare = f"[{host}]" if ":" in host else host
    return bare in hosts or f"{bare}:{port}" in hosts


def is_public(ip: str) -> bool:
    """Whether an IP address is one of the public internet. An IPv6 address that carries an IPv4 address counts as that."""
    address = ipaddress.ip_address(ip.split("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        embedded = address.ipv4_mapped or address.sixtofour
        if embedded is None and address in _NAT64:
            embedded = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if embedded is not None:
            return is_public(str(embedded))
        if address.teredo is not None:
            return False
    return address.is_global and not address.is_multicast


_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def without_query(url: str) -> str:
    """A URL as it may be shown: shortened, without query, fragment and user name."""
    text = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in redaction.without_query(url))
    return text if len(text) <= 300 else text[:299] + "…"


def _percent_encoded(text: str) -> str:
    """Percent-encode spaces and non-ASCII characters, as UTF-8; existing encodings stay."""
    return re.sub(r"[^\x21-\x7e]", lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "replace")), text)


def _refused(shown: str, why: str) -> BlobError:
    return BlobError(BlobErrorKind.NOT_ALLOWED, f"{shown} {why}.")
