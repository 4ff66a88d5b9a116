"""`python -m benchmarks.bare THREADS NICENESS`: the cost of the computation alone, without the engine.

A loop over files: decode, and run plain onnxruntime sessions. Answers JSON lines on stdin, and ends with its stdin:

    {"do": "embed", "files": […]}                                 → {"seconds", "cpuSeconds"}
    {"do": "analyze", "model": …, "files": […]}                   → {"seconds": [… for each file]}
    {"do": "throughput", "model": …, "files": […], "loops": n, "threads": m, "seconds": s} → {"perSecond"}
"""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, cached_property
from itertools import count, product
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from vision_customization.engine.learning import decode_image
from vision_customization.engine.learning.classification.feature_graph import load_networks, network_model, resize_model
from vision_customization.engine.learning.classification.views import VIEWS, Pass, passes_of, views_of
from vision_customization.engine.learning.pretrained.backbones import BACKBONES, ensure_weights
from vision_customization.engine.settings import default_weights_dir

CHUNK = 16
"""Images decoded at once."""


def session(model: bytes | str, threads: int) -> onnxruntime.InferenceSession:
    """A session opened as the engine does: idle threads sleep, because others need the cores too."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


class Bare:
    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._model = cache(session)

    @cached_property
    def _networks(self) -> tuple[dict[str, onnxruntime.InferenceSession], dict[Pass, onnxruntime.InferenceSession]]:
        """What resizes, by `Pass.planes`, and what runs, by `Pass.network`."""
        paths = ensure_weights(default_weights_dir())
        networks = load_networks(paths)
        passes = passes_of(views_of([backbone for backbone in BACKBONES if backbone.name in paths]))
        resizes: dict[str, onnxruntime.InferenceSession] = {}
        sessions: dict[Pass, onnxruntime.InferenceSession] = {}
        for network in dict.fromkeys(run.network for run in passes):
            runs = [run for run in passes if run.network == network]
            poolings = dict.fromkeys(view.pooling for view in VIEWS if view.source == network)
            weights = networks[network.backbone.name]
            model = network_model(network, poolings, weights, resizes=len(runs) == 1)
            sessions[network] = session(model.SerializeToString(), self._threads)
            if len(runs) > 1:
                resizes |= {run.planes: session(resize_model(run).SerializeToString(), self._threads) for run in runs}
        self._passes = passes
        return resizes, sessions

    def embed(self, files: Sequence[str]) -> dict[str, float]:
        """All passes that a training needs, over images decoded on all cores. An image and its mirror image are a batch."""
        resizes, networks = self._networks
        pool = ThreadPoolExecutor(self._threads)
        started, cpu_started = time.perf_counter(), time.process_time()
        for start in range(0, len(files), CHUNK):
            images = list(pool.map(read_pixels, files[start : start + CHUNK]))
            for (network, ran), pixels in product(networks.items(), images):
                runs = [run for run in self._passes if run.network == network]
                if len(runs) == 1:
                    ran.run(None, {"image": pixels})
                    continue
                planes = {run.planes: resizes[run.planes].run(None, {"image": pixels})[0] for run in runs if not run.mirrored}
                seen = [planes[run.planes][..., :: -1 if run.mirrored else 1] for run in runs]
                ran.run(None, {"planes": np.concatenate(seen)})
        seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
        pool.shutdown()
        return {"seconds": seconds, "cpuSeconds": cpu_seconds}

    def analyze(self, model: str, files: Sequence[str]) -> dict[str, list[float]]:
        """One image after the other, from encoded bytes in memory to probabilities, or boxes."""
        network = self._model(model, self._threads)
        seconds = []
        for data in [Path(file).read_bytes() for file in files]:
            started = time.perf_counter()
            network.run(None, {"image": decode_image(data).pixels})
            seconds.append(time.perf_counter() - started)
        return {"seconds": seconds}

    def throughput(self, model: str, files: Sequence[str], loops: int, threads: int, seconds: float) -> dict[str, float]:
        """`loops` threads, each with a session of its own on `threads`, as fast as they can."""
        networks = [self._model(model, threads) if loops == 1 else session(model, threads) for _ in range(loops)]
        images = [Path(file).read_bytes() for file in files]
        started = time.perf_counter()

        def loop(network: onnxruntime.InferenceSession) -> int:
            for done in count():
                if time.perf_counter() - started >= seconds:
                    return done
                network.run(None, {"image": decode_image(images[done % len(images)]).pixels})
            raise AssertionError

        with ThreadPoolExecutor(loops) as pool:
            done = sum(pool.map(loop, networks))
        return {"perSecond": done / (time.perf_counter() - started)}

    def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        ways: dict[str, Callable[..., dict[str, Any]]] = {
            "embed": self.embed,
            "analyze": self.analyze,
            "throughput": self.throughput,
        }
        return ways[question.pop("do")](**question)


def read_pixels(file: str) -> NDArray[np.uint8]:
    return decode_image(Path(file).read_bytes()).pixels


def main() -> None:
    threads, niceness = int(sys.argv[1]), int(sys.argv[2])
    os.setpriority(os.PRIO_PROCESS, 0, niceness)
    bare = Bare(threads)
    for line in sys.stdin:
        print(json.dumps(bare.answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
