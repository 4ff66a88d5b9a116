"""One training on several workers, on PostgreSQL: how much faster it is, and that nothing is read twice or lost.

The fleet is `vision-engine serve --workers 0` and 1, 2 and 4 times `vision-engine worker`, with one thread each. A local server
sends its images late, so reading is the bottleneck: their features are kept from a first training at other addresses.

- *scaling*: the time of one training with 1, 2 and 4 workers. Goal: n workers are at least 0.8 n times as fast as one, and each
  image is requested once.
- *killed*: one of two workers is killed with SIGKILL in the middle and never restarted. Goal: the same file, byte for byte.
- *fairness*: one worker, new images that are embedded. Goal: a small training that is started beside a large one ends within
  twice its time alone.
"""

import argparse
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from benchmarks.figures import Figure, to_table
from tests.engine.jobs.drawn import coco, drawn_image
from tests.engine.jobs.fleet import Fleet, Member, running_fleet
from tests.postgresql import running_postgresql
from vision_customization.contract.datasets import Authentication
from vision_customization.contract.enums import AnnotationKind, AuthenticationKind, ModelStatus
from vision_customization.contract.models import Model

PARTS = ("scaling", "killed", "fairness")
WORKERS = (1, 2, 4)
SCALING_LIMIT, FAIRNESS_LIMIT = 0.8, 2.0
_SERVE = ("serve", "--workers", "0", "--port", "0")
_WORKER = ("worker", "--health-port", "0")
_TAGS = ("red", "green")
_SECONDS = 1800.0


class Bench:
    """One fleet, and its images: as many of each size as the options say."""

    def __init__(self, fleet: Fleet, console: Console, images: int, delay_seconds: float) -> None:
        self._fleet = fleet
        self._console = console
        self._images = images
        self._delay_seconds = delay_seconds
        self._pictures = [drawn_image(number % 2, number, 96) for number in range(images)]
        fleet.blobs.before_reply = self._reply_late
        self._late = False
        [api] = fleet.start_all(_SERVE)
        self._client = fleet.client(api)
        self._workers: list[Member] = []

    def warm_up(self) -> None:
        """Embed the images once, at addresses that no other part reads."""
        self._have_workers(1)
        self._train("first", self._pictures)

    def scaling(self) -> list[Figure]:
        """The times of the same training with more and more workers."""
        figures, alone = [], 0.0
        for count in WORKERS:
            self._have_workers(count)
            _, seconds, requests = self._late_training(f"with-{count}")
            alone = alone or seconds
            load = os.getloadavg()[0]
            figures.append(Figure(f"{self._images} images, {count} workers", "s", (seconds,), load))
            if count > 1:
                speedup = alone / seconds / count
                name = f"{count} workers: times as fast as one, per worker"
                figures.append(Figure(name, "", (speedup,), load, limit=SCALING_LIMIT, at_least=True))
            figures.append(Figure(f"{count} workers: most requests for an image", "", (float(requests),), load, limit=1.0))
        return figures

    def killed(self) -> list[Figure]:
        """A worker is killed in the middle."""
        self._have_workers(2)
        whole, _, _ = self._late_training("whole")

        def kill(model: Model) -> bool:
            progress = model.training_progress
            if progress is None or progress.images_read < self._images / 3:
                return False
            self._workers.pop().end(signal.SIGKILL)
            return True

        survived, seconds, _ = self._late_training("survived", kill)
        assert whole.artifact is not None
        assert survived.artifact is not None
        same = float(whole.artifact.digest == survived.artifact.digest)
        load = os.getloadavg()[0]
        return [
            Figure("one of two workers killed", "s", (seconds,), load),
            Figure("one of two workers killed: same file", "", (same,), load, limit=1.0, at_least=True),
        ]

    def fairness(self) -> list[Figure]:
        """A small training alone, and beside a large one."""
        self._have_workers(1)

        def pictures(count: int, seed: int) -> list[bytes]:
            return [drawn_image(number % 2, seed + number, 96) for number in range(count)]

        _, alone = self._train("small-alone", pictures(64, 10_000))
        self._register("large", pictures(self._images, 20_000))
        self._client.create_model("large", training_dataset_name="large")
        self._until("large", lambda model: (model.training_progress.images_read if model.training_progress else 0) > 0)
        _, beside = self._train("small-beside", pictures(64, 30_000))
        assert not self._client.get_model("large").status.final, "the large training is too small to tell anything"
        self._client.cancel_model("large")
        self._until("large", lambda model: model.status.final)
        load = os.getloadavg()[0]
        name = "a small training beside a large one"
        return [Figure(name, "s", (beside,), load, limit=FAIRNESS_LIMIT, against=(alone,), ratios=(beside / alone,))]

    def _late_training(self, name: str, meanwhile: Callable[[Model], bool] = lambda _model: True) -> tuple[Model, float, int]:
        """A training whose images come late: the model, its seconds, and the most requests for one image. `meanwhile` is called
        until it returns true."""
        self._late = True
        model, seconds = self._train(name, self._pictures, meanwhile)
        self._late = False
        requests = Counter(path.partition("?")[0] for path, _ in self._fleet.blobs.requests if f"/{name}/" in path)
        if len(requests) != self._images + 1:
            raise RuntimeError(f"{len(requests):,} of {self._images + 1:,} files of {name} were requested")
        return model, seconds, max(requests.values())

    def _train(
        self, name: str, pictures: Sequence[bytes], meanwhile: Callable[[Model], bool] = lambda _model: True
    ) -> tuple[Model, float]:
        self._console.print(f"{name}: {len(pictures)} images, {len(self._workers)} workers …")
        self._register(name, pictures)
        started = time.perf_counter()
        self._client.create_model(name, training_dataset_name=name)
        self._until(name, meanwhile)
        model = self._until(name, lambda model: model.status.final)
        seconds = time.perf_counter() - started
        if model.status is not ModelStatus.SUCCEEDED:
            raise RuntimeError(f"the training {name} is {model.status}: {model.error}")
        return model, seconds

    def _until(self, name: str, reached: Callable[[Model], bool]) -> Model:
        until = time.monotonic() + _SECONDS
        while time.monotonic() < until:
            model = self._client.get_model(name)
            if reached(model) or model.status.final:
                return model
            time.sleep(0.1)
        raise RuntimeError(f"the training {name} has not come so far after {_SECONDS:.0f} s")

    def _register(self, name: str, pictures: Sequence[bytes]) -> None:
        entries = [
            (self._fleet.blobs.put(f"/account/{name}/{number}.png", picture), _TAGS[number % 2])
            for number, picture in enumerate(pictures)
        ]
        annotations = self._fleet.blobs.put(f"/account/{name}/annotations.json", coco(entries, _TAGS))
        self._client.register_dataset(
            name,
            annotation_kind=AnnotationKind.IMAGE_CLASSIFICATION,
            annotation_file_uris=[annotations],
            authentication=Authentication(kind=AuthenticationKind.SAS, sas_token="sv=1&sig=OfTheBenchmark"),
        )

    def _have_workers(self, count: int) -> None:
        while len(self._workers) > count:
            self._workers.pop().end(signal.SIGTERM)
        self._workers += self._fleet.start_all(*[_WORKER] * (count - len(self._workers)))

    def _reply_late(self, path: str) -> None:
        if self._late and ".png" in path:
            time.sleep(self._delay_seconds)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks fleet", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=PARTS, action="append", help="part to measure (default: all; may be repeated)")
    parser.add_argument("--images", type=int, default=512, help="images of a training (default: %(default)s)")
    parser.add_argument(
        "--delay", type=float, default=6.0, help="seconds until the server sends an image (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 150)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    parts = options.only or PARTS
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vision-fleet-")))
        folder.chmod(0o755)  # PostgreSQL may run as another user
        server = stack.enter_context(running_postgresql(folder / "postgresql"))
        (folder / "fleet").mkdir()
        fleet = stack.enter_context(running_fleet(folder / "fleet", server.url(server.create_database())))
        bench = Bench(fleet, console, options.images, options.delay)
        if {"scaling", "killed"} & set(parts):
            bench.warm_up()
        measured: list[Figure] = []
        for part in parts:
            measured += getattr(bench, part)()
    console.print(to_table(measured, "One training on several workers of one thread"))
    return 0 if all(figure.met for figure in measured) else 1


if __name__ == "__main__":
    sys.exit(main())
