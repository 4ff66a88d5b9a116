"""The classifier by LitServe, in the peers' environment.

    python -m benchmarks.peers.litserve_server PORT MODEL WORKERS THREADS spin|sleep

The image is the request's body as it is: FastAPI, on which LitServe stands, gives it to `decode_request` without a form or JSON
around it. There are no batches, because an exported classifier takes one image of any size.
"""

import sys
from typing import Annotated

import litserve
from fastapi import Depends, Request

from benchmarks.peers.classifier import Classifier


async def read_body(request: Request) -> bytes:
    return await request.body()


class ClassifierAPI(litserve.LitAPI):
    def __init__(self, model: str, threads: int, *, spin: bool) -> None:
        super().__init__()
        self._arguments = (model, threads, spin)

    def setup(self, _device: str) -> None:
        """Runs in each worker."""
        model, threads, spin = self._arguments
        self._classifier = Classifier(model, threads, spin=spin)

    def decode_request(self, request: Annotated[bytes, Depends(read_body)]) -> bytes:
        return request

    def predict(self, image: bytes) -> dict[str, float]:
        return self._classifier.of_bytes(image)


def main() -> None:
    port, model, workers, threads, spin = sys.argv[1:]
    api = ClassifierAPI(model, int(threads), spin=spin == "spin")
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=int(workers))
    server.run(host="127.0.0.1", port=int(port), log_level="warning", access_log=False, generate_client_file=False)


if __name__ == "__main__":
    main()
