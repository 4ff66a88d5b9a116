"""`python -m benchmarks.flood HOST PORT CONNECTIONS`: callers without a key that only take up connections.

A third of them send nothing, a third send a head letter by letter, a third a body. A closed one reconnects after about ten
seconds. The process has the lowest priority. It answers each JSON line on stdin with `{"open", "closed"}`, and ends with its
stdin.
"""

import asyncio
import json
import os
import random
import sys
from contextlib import suppress

from vision_customization.engine.api.connections import raise_file_limit

AGAIN_SECONDS = 10.0
TRICKLE_SECONDS = 2.0

_HEADS = (
    b"",
    b"GET /healthz HTTP/1.1\r\nX-Slow: ",
    b"POST /computervision/imageanalysis:analyze HTTP/1.1\r\nHost: h\r\nContent-Length: 20000000\r\n\r\n",
)


class Flood:
    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self.open = self.closed = 0

    async def hold(self, number: int) -> None:
        """Open one connection after the other, each for as long as the server allows it."""
        head = _HEADS[number % len(_HEADS)]
        while True:
            with suppress(OSError):
                reader, writer = await asyncio.open_connection(self._host, self._port)
                self.open += 1
                try:
                    await self._waste(reader, writer, head)
                finally:
                    self.open -= 1
                    self.closed += 1
                    writer.close()
            await asyncio.sleep(random.uniform(0.5, 1.5) * AGAIN_SECONDS)

    @staticmethod
    async def _waste(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
        writer.write(head)
        ended = asyncio.ensure_future(_until_the_end(reader))
        while not ended.done():
            await asyncio.wait([ended], timeout=TRICKLE_SECONDS)
            if head and not ended.done():
                writer.write(b"x")


async def _until_the_end(reader: asyncio.StreamReader) -> None:
    with suppress(OSError):
        while await reader.read(65536):
            pass


async def main() -> None:
    os.nice(19)  # a flood comes from other machines: it takes no processor time from the engine
    host, port, connections = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    raise_file_limit()
    flood = Flood(host, port)
    tasks = [asyncio.ensure_future(flood.hold(number)) for number in range(connections)]
    while await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps({"open": flood.open, "closed": flood.closed}), flush=True)
    for task in tasks:
        task.cancel()


if __name__ == "__main__":
    asyncio.run(main())
