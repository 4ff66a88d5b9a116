"""Reads a request's body: bounded, and lenient enough about JSON for commands pasted from documentation."""

import json
import re
from collections.abc import Awaitable, Callable
from typing import Any, BinaryIO, TypeVar

from fastapi import Request
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from vision_customization.contract.errors import ErrorCode
from vision_customization.contract.wire import Wire
from vision_customization.engine.api.errors import ApiError, invalid, invalid_values

JSON_BYTES_MAX = 1024 * 1024
JSON_TYPES = ("application/json", "application/json-patch+json", "text/json")

_DRAINED_BYTES_MAX = 64 * 1024 * 1024
# An unterminated string is one token, too. Otherwise each quote in it would be tried as the start of another string.
_LOOSE_TOKEN = re.compile(
    r"""
      "  (?:[^"\\]|\\.)* "?
    | '  (?P<text>(?:[^'\\]|\\.)*) (?P<end>'?)
    | ,  (?=\s*[}\]])
    """,
    re.DOTALL | re.VERBOSE,
)
_ESCAPE_OR_QUOTE = re.compile(r'\\.|"', re.DOTALL)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")

Body = TypeVar("Body", bound=Wire)


def media_type(request: Request) -> str:
    """The declared content type without its parameters, in lower case; empty if none is declared."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read_body(request: Request, max_bytes: int) -> bytes | None:
    """The body; None if it is longer than `max_bytes`.

    A longer body is read to its end, within reason, and discarded: a client that is still sending would not see the answer.
    """
    parts: list[bytes] | None = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > max_bytes:
            parts = None
            if size > _DRAINED_BYTES_MAX:
                break
        elif parts is not None:
            parts.append(part)
    return None if parts is None else b"".join(parts)


async def spool_body(request: Request, max_bytes: int, file: BinaryIO) -> bool:
    """Write the body to `file`; false if it is longer than `max_bytes`."""
    size = 0
    async for part in request.stream():
        size += len(part)
        if size <= max_bytes:
            await run_in_threadpool(file.write, part)
        elif size > max_bytes + _DRAINED_BYTES_MAX:
            break
    return size <= max_bytes


def body_of(kind: type[Body]) -> Callable[[Request], Awaitable[Body]]:
    """A dependency: the JSON body as `kind`. Refuses with 400 if it is not such an object, with 413 if it is too long."""

    async def read(request: Request) -> Body:
        declared = media_type(request)
        if declared and declared not in JSON_TYPES:
            raise invalid(
                f"The content type is not supported: expected {JSON_TYPES[0]} or {JSON_TYPES[1]}.", target="Content-Type"
            )
        return parse(kind, await read_body(request, JSON_BYTES_MAX))

    return read


def parse(kind: type[Body], body: bytes | None) -> Body:
    """`body` as `kind`; None stands for one that is too long."""
    if body is None:
        message = f"The body is longer than {JSON_BYTES_MAX:,} bytes."
        raise ApiError(413, ErrorCode.INVALID_REQUEST, message)
    if not body.strip():
        raise invalid("The body is empty: expected a JSON object.")
    try:
        value = loads(body)
    except (ValueError, RecursionError) as error:
        raise invalid(f"The body is not JSON: {_reason(error)}") from None
    if not isinstance(value, dict):
        raise invalid("The body is not a JSON object (a PATCH takes the object's new fields, not a list of operations).")
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        raise invalid_values(error.errors(include_url=False, include_input=False, include_context=False), "body") from None


def loads(body: bytes) -> Any:  # noqa: ANN401 - JSON is any value
    """`body` as JSON, or else as JSON with single quotes and trailing commas. Raises ValueError or RecursionError."""
    text = body.decode("utf-8-sig")
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        try:
            value = json.loads(_LOOSE_TOKEN.sub(_strict_token, text))
        except json.JSONDecodeError:
            raise error from None
    if _UNSTORABLE.search(json.dumps(value, ensure_ascii=False).replace("\\u0000", "\x00")):
        raise ValueError("a string contains a NUL character or an unpaired surrogate")
    return value


def _strict_token(token: re.Match[str]) -> str:
    if token.group() == ",":
        return ""
    if not token["end"]:
        return token.group()
    return f'"{_ESCAPE_OR_QUOTE.sub(_strict_character, token["text"])}"'


def _strict_character(found: re.Match[str]) -> str:
    return {'"': '\\"', "\\'": "'"}.get(found.group(), found.group())


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at line {error.lineno}, column {error.colno}."
    if isinstance(error, UnicodeDecodeError):
        return f"it is not UTF-8 at byte {error.start}."
    if isinstance(error, RecursionError):
        return "it is nested too deeply."
    return f"{error}."
