"""GET, PUT, DELETE and lists of the contract's types, for every kind of resource of the service."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

from vision_customization.contract.limits import PAGE_MAX
from vision_customization.contract.wire import Wire
from vision_customization.customization.client.transport import Reply, Transport
from vision_customization.customization.errors import AlreadyExists, NotFound, Unreachable

Body = TypeVar("Body", bound=Wire)


def parse(kind: type[Body], body: object) -> Body:
    """A reply's JSON as a type of the contract. Raises Unreachable if it is not one: another server answers there."""
    try:
        return kind.model_validate(body)
    except ValueError:
        raise Unreachable(f"the answer is not a {kind.__name__} of the contract. Is the endpoint right?") from None


class TypedCalls:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def get(self, kind: type[Body], path: str) -> Body:
        return parse(kind, self._transport.send("GET", path).json())

    def create(self, kind: type[Body], path: str, body: Mapping[str, Any], is_ours: Callable[[Body], bool]) -> Body:
        return self.created(kind, path, is_ours, lambda: self._transport.send("PUT", path, json=body))

    def created(self, kind: type[Body], path: str, is_ours: Callable[[Body], bool], put: Callable[[], Reply]) -> Body:
        """PUT, which creates or answers 409. After a broken connection, our own first attempt may have caused the 409."""
        try:
            return parse(kind, put().json())
        except AlreadyExists as error:
            if error.retried:
                with suppress(NotFound):
                    found = self.get(kind, path)
                    if is_ours(found):
                        return found
            raise

    def delete(self, path: str, headers: Mapping[str, str] | None = None) -> None:
        try:
            self._transport.send("DELETE", path, headers=headers)
        except NotFound as error:
            if not error.retried:
                raise

    def list(self, kind: type[Body], path: str) -> Iterator[Body]:
        params = {"top": str(PAGE_MAX)}
        while True:
            page = self._transport.send("GET", path, params=params).json()
            for item in page["value"]:
                yield parse(kind, item)
            if not page.get("nextLink"):
                return
            # Take only the position from the link: even if a proxy changed it, the key never goes to another host.
            following = parse_qs(urlsplit(page["nextLink"]).query)
            params = {name: following[name][0] for name in ("skip", "top") if name in following}
