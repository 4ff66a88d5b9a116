"""`python -m benchmarks.blobs FOLDER`: a small blob server over a folder, on the loopback interface.

Prints its port as JSON for the first line on stdin, and ends with its stdin. Like a blob service it names each file's version
(`ETag`) and answers `304` to a caller that has it already. A folder whose name ends with `.any` has a picture at every name.
With `writable` behind the folder, files can be added by PUT, and none is replaced.
"""

import json
import sys
import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


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


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def handler_of(folder: Path, *, writable: bool = False) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            path = (folder / self.path.split("?")[0].lstrip("/")).resolve()
            if path.is_relative_to(folder) and path.parent.suffix == ".any":
                picture = picture_of(path.parent, path.name)
                self._answer(picture.etag, lambda: picture.data)
            elif path.is_relative_to(folder) and path.is_file():
                facts = path.stat()
                self._answer(f'"{facts.st_mtime_ns:x}-{facts.st_size:x}"', path.read_bytes)
            else:
                self._reply(404, b"", "")

        def do_PUT(self) -> None:
            path = (folder / self.path.split("?")[0].lstrip("/")).resolve()
            data = self.rfile.read(int(self.headers["Content-Length"] or 0))
            if not writable or not path.is_relative_to(folder):
                self._reply(403, b"", "")
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with path.open("xb") as file:
                    file.write(data)
            except FileExistsError:
                self._reply(409, b"", "")
            else:
                self._reply(201, b"", f'"{path.stat().st_mtime_ns:x}"')

        def _answer(self, etag: str, read: Callable[[], bytes]) -> None:
            if self.headers["If-None-Match"] == etag:
                self._reply(304, b"", etag)
            else:
                self._reply(200, read(), etag)

        def _reply(self, status: int, body: bytes, etag: str) -> None:
            self.send_response(status)
            if etag:
                self.send_header("ETag", etag)
            if status != 304:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def main() -> None:
    server = Server(("127.0.0.1", 0), handler_of(Path(sys.argv[1]).resolve(), writable=sys.argv[2:] == ["writable"]))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for _ in sys.stdin:
        print(json.dumps({"port": server.server_address[1]}), flush=True)


if __name__ == "__main__":
    main()
