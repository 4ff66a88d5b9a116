"""A `multipart/form-data` body (RFC 7578) that reads its file from disk while it is sent."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

_CHUNK_BYTES = 1 << 20


class Form:
    """A body with JSON `texts` and `files`, both by part name. Each iteration reads the files again."""

    def __init__(self, texts: Mapping[str, bytes], files: Mapping[str, Path]) -> None:
        boundary = uuid.uuid4().hex
        self.content_type = f"multipart/form-data; boundary={boundary}"
        self._parts: list[bytes | Path] = []
        for name, text in texts.items():
            self._parts.append(_head(boundary, f'name="{name}"', "application/json") + text + b"\r\n")
        for name, path in files.items():
            disposition = f'name="{name}"; filename="{name}{path.suffix}"'
            self._parts += [_head(boundary, disposition, "application/octet-stream"), path, b"\r\n"]
        self._parts.append(f"--{boundary}--\r\n".encode())

    def __len__(self) -> int:
        return sum(len(part) if isinstance(part, bytes) else part.stat().st_size for part in self._parts)

    def __iter__(self) -> Iterator[bytes]:
        for part in self._parts:
            if isinstance(part, bytes):
                yield part
                continue
            with part.open("rb") as file:
                while chunk := file.read(_CHUNK_BYTES):
                    yield chunk


def _head(boundary: str, disposition: str, content_type: str) -> bytes:
    return f"--{boundary}\r\nContent-Disposition: form-data; {disposition}\r\nContent-Type: {content_type}\r\n\r\n".encode()
