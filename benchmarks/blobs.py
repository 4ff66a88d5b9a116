"""`python -m benchmarks.blobs FOLDER`: a small blob server over a folder, on the loopback interface.

Prints its port as JSON for the first line on stdin, and ends with its stdin. Like a blob service it names each file's version
(`ETag`) and answers `304` to a caller that has it already. A folder whose name ends with `.any` has a picture at every name.
With `writable` behind the folder, files can be added by PUT, and none is replaced.
"""

import asyncio
import json
import sys
import zlib
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import cast
from urllib.parse import unquote

import uvloop


@dataclass(frozen=True)
class AnyPicture:
    """A picture of a folder `*.any`: the JPEG `file` with the picture's own name in a comment, so that no two are equal."""

    file: Path
    data: bytes
    etag: str


def picture_of(folder: Path, name: str) -> AnyPicture:
    """The picture at this name: always the same one of the folder's JPEGs, which do not change."""
    jpegs = _jpegs(folder)
    number = zlib.crc32(name.encode())
    file, jpeg = jpegs[number % len(jpegs)]
    comment = name.encode()
    segment = b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment
    return AnyPicture(file, jpeg[:2] + segment + jpeg[2:], f'"{number:08x}"')


@cache
def _jpegs(folder: Path) -> list[tuple[Path, bytes]]:
    return [(file, file.read_bytes()) for file in sorted(folder.glob("*.jpg"))]


class Blobs:
    """The files of a folder, as answers: a status, an ETag and a body."""

    def __init__(self, folder: Path, *, writable: bool) -> None:
        self._folder = folder
        self._writable = writable

    def get(self, target: str, known: str | None) -> tuple[int, str, bytes]:
        path = self._path(target)
        if path is None:
            return 404, "", b""
        if path.parent.suffix == ".any":
            picture = picture_of(path.parent, path.name)
            return (304, picture.etag, b"") if known == picture.etag else (200, picture.etag, picture.data)
        try:
            facts = path.stat()
            etag = f'"{facts.st_mtime_ns:x}-{facts.st_size:x}"'
            return (304, etag, b"") if known == etag else (200, etag, path.read_bytes())
        except OSError:
            return 404, "", b""

    def put(self, target: str, data: bytes) -> tuple[int, str, bytes]:
        path = self._path(target)
        if not self._writable or path is None:
            return 403, "", b""
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("xb") as file:
                file.write(data)
        except FileExistsError:
            return 409, "", b""
        return 201, f'"{path.stat().st_mtime_ns:x}"', b""

    def _path(self, target: str) -> Path | None:
        name = unquote(target.partition("?")[0]).lstrip("/")
        return None if ".." in name.split("/") else self._folder / name


class Connection(asyncio.Protocol):
    """HTTP/1.1, as far as the engine and storage clients use it. It stands for another machine, so it takes as little of the
    engine's cores as it can."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            first, *lines = self._received[:end].decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            stop = end + 4 + int(headers.get("content-length", 0))
            if len(self._received) < stop:
                if headers.get("expect") == "100-continue":
                    self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                return
            body = bytes(self._received[end + 4 : stop])
            del self._received[:stop]
            method, target, _ = first.split(" ")
            known = headers.get("if-none-match")
            self._answer(*(self._blobs.put(target, body) if method == "PUT" else self._blobs.get(target, known)))

    def _answer(self, status: int, etag: str, body: bytes) -> None:
        named = f"ETag: {etag}\r\n" if etag else ""
        length = "" if status == 304 else f"Content-Length: {len(body)}\r\n"
        head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n{named}{length}\r\n"
        self._transport.write(head.encode("latin-1") + body)


async def serve(blobs: Blobs) -> None:
    """Serve until stdin ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(blobs), "127.0.0.1", 0, backlog=128)
    async with server:
        while await loop.run_in_executor(None, sys.stdin.readline):
            print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)


def main() -> None:
    uvloop.run(serve(Blobs(Path(sys.argv[1]).resolve(), writable=sys.argv[2:] == ["writable"])))


if __name__ == "__main__":
    main()
