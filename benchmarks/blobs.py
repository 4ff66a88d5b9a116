"""`python -m benchmarks.blobs FOLDER`: a small blob server over a folder, on the loopback interface.

Prints its port as JSON for the first line on stdin, and ends with its stdin. Like a blob service it names each file's version
(`ETag`) and answers `304` to a caller that has it already.
"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def handler_of(folder: Path) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            path = (folder / self.path.split("?")[0].lstrip("/")).resolve()
            if not path.is_relative_to(folder) or not path.is_file():
                self._reply(404, b"", "")
                return
            facts = path.stat()
            etag = f'"{facts.st_mtime_ns:x}-{facts.st_size:x}"'
            if self.headers["If-None-Match"] == etag:
                self._reply(304, b"", etag)
            else:
                self._reply(200, path.read_bytes(), etag)

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
    server = Server(("127.0.0.1", 0), handler_of(Path(sys.argv[1]).resolve()))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for _ in sys.stdin:
        print(json.dumps({"port": server.server_address[1]}), flush=True)


if __name__ == "__main__":
    main()
