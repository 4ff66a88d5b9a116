"""Tokens of Entra as passwords of PostgreSQL: PostgreSQL asks an LDAP server about each login, and that server is this one.

Azure's servers have a module for it that nobody else has. PostgreSQL's own way to let another program look at a password of any
length is `ldap` in `pg_hba.conf`: it sends the role's name and the password in a BindRequest
(https://www.postgresql.org/docs/current/auth-ldap.html, https://www.rfc-editor.org/rfc/rfc4511#section-4.2).
"""

import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

from tests.stacks.azure.authority import Authority, NotAToken
from tests.stacks.azure.front import OWN_HOST

AUDIENCE = "https://ossrdbms-aad.database.windows.net"
"""https://learn.microsoft.com/azure/postgresql/security/security-entra-configure#retrieve-a-microsoft-entra-access-token"""

PREFIX, SUFFIX = "cn=", ",dc=entra"
_SUCCESS, _INVALID_CREDENTIALS = 0, 49
_BIND_REQUEST, _SIMPLE = 0x60, 0x80


class TokenLogins:
    """Answers until `stop`. A login succeeds if its password is a token for PostgreSQL, of the principal that the role is of.

    Args:
        principal_of: the object id of a role's principal; None if the role has none.
    """

    def __init__(self, authority: Authority, principal_of: Callable[[str], str | None]) -> None:
        self._authority = authority
        self._principal_of = principal_of
        handler = type("Handler", (_Handler,), {"check": staticmethod(self._check)})
        self._server = socketserver.ThreadingTCPServer((OWN_HOST, 0), handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def access(self) -> str:
        """The method and its options, for `pg_hba.conf`."""
        return f'ldap ldapserver={OWN_HOST} ldapport={self.port} ldapprefix="{PREFIX}" ldapsuffix="{SUFFIX}"'

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _check(self, role: str, password: str) -> bool:
        try:
            claims = self._authority.claims(f"Bearer {password}", AUDIENCE)
        except NotAToken:
            return False
        return claims["oid"] == self._principal_of(role)


class _Handler(socketserver.StreamRequestHandler):
    check: Callable[[str, str], bool]

    def handle(self) -> None:
        with suppress(EOFError, OSError):  # PostgreSQL has hung up
            while True:
                _, message = self._element()
                parts = list(elements(message))
                (_, number), (kind, request) = parts[0], parts[1]
                if kind != _BIND_REQUEST:  # it says goodbye
                    return
                (_, _version), (_, name), (method, password) = elements(request)
                role = name.decode().removeprefix(PREFIX).removesuffix(SUFFIX)
                right = method == _SIMPLE and type(self).check(role, password.decode())
                code = _SUCCESS if right else _INVALID_CREDENTIALS
                answer = element(0x0A, bytes([code])) + element(0x04, b"") + element(0x04, b"")
                self.wfile.write(element(0x30, element(0x02, number) + element(0x61, answer)))

    def _element(self) -> tuple[int, bytes]:
        head = self._read(2)
        length = head[1]
        if length & 0x80:
            length = int.from_bytes(self._read(length & 0x7F))
        return head[0], self._read(length)

    def _read(self, size: int) -> bytes:
        data = self.rfile.read(size)
        if len(data) < size:
            raise EOFError
        return data


def elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The tag and the content of each element of BER (https://www.rfc-editor.org/rfc/rfc4511#section-5.1)."""
    while data:
        tag, length, rest = data[0], data[1], data[2:]
        if length & 0x80:
            size = length & 0x7F
            length, rest = int.from_bytes(rest[:size]), rest[size:]
        yield tag, rest[:length]
        data = rest[length:]


def element(tag: int, content: bytes) -> bytes:
    """An element of less than 128 bytes."""
    return bytes([tag, len(content)]) + content
