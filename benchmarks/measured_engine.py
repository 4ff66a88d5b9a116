"""What benchmarks ask of an engine: trainings of the samples, and calls of what they trained."""

import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console

from benchmarks.calls import call_seconds
from benchmarks.load import analyze_requests
from benchmarks.processes import Engine, Script
from benchmarks.samples import Samples
from vision_customization.contract.enums import AnnotationKind, ModelStatus
from vision_customization.contract.models import Model

CONTAINER = "samples"
FLOOD_CONNECTIONS = 5000
FLOOD_PASSES = 4
"""Calls per image in each round: one slow call of a hundred would not be a p99."""
_FLOOD_SECONDS = 5.0
"""Time until the flood has tried all of its connections once."""
_WARM_UP_IMAGES = 12
"""The least: some of each tag of the sample dataset."""
_POLL_SECONDS = 0.1
_TRAINING_SECONDS_MAX = 600.0


class MeasuredEngine:
    """An engine that reads the samples at `blobs_url`."""

    def __init__(self, engine: Engine, blobs_url: str, console: Console) -> None:
        self.engine = engine
        self.client = engine.client()
        self._blobs_url = blobs_url
        self._console = console

    def register(self, name: str, samples: Samples) -> None:
        url = samples.annotations(self._blobs_url, f"{CONTAINER}/{name}.json")
        kind = AnnotationKind.IMAGE_CLASSIFICATION
        self.client.register_dataset(name, annotation_kind=kind, annotation_file_uris=[url])

    def train(self, name: str, samples: Samples) -> tuple[Model, float]:
        """The model, and the seconds from the PUT until it has succeeded.

        Raises:
            RuntimeError: it did not succeed.
        """
        self.register(name, samples)
        started = time.perf_counter()
        self.client.create_model(name, training_dataset_name=name)
        while time.perf_counter() - started < _TRAINING_SECONDS_MAX:
            model = self.client.get_model(name)
            if model.status.final:
                break
            time.sleep(_POLL_SECONDS)
        wall = time.perf_counter() - started
        if model.status is not ModelStatus.SUCCEEDED:
            raise RuntimeError(f"the training {name} is {model.status} after {wall:.0f} s: {model.error}")
        return model, wall

    def warm_up(self, samples: Samples) -> None:
        """A training of some changed images, so that the worker has started and loaded what it needs."""
        apart = min(20, len(samples.images) // _WARM_UP_IMAGES)
        images = tuple(samples.images[position] for position in range(0, len(samples.images), apart))
        self.train("warm-up", Samples(samples.root, images).changed(1.0, f"{CONTAINER}/warm-up"))

    def requests(self, model_name: str, files: Sequence[str]) -> list[bytes]:
        images = [Path(file).read_bytes() for file in files]
        return analyze_requests(self.engine.endpoint, self.engine.key, model_name, images)

    def call(self, model_name: str, files: Sequence[str]) -> list[float]:
        """Seconds of each call, by the project's own client."""
        return call_seconds(self.client, model_name, files)

    def call_flooded(self, model_name: str, files: Sequence[str]) -> list[float]:
        """Seconds of FLOOD_PASSES calls per image, beside thousands of connections that do nothing, or nearly nothing."""
        address = urlsplit(self.engine.endpoint)
        with Script("benchmarks.flood", str(address.hostname), str(address.port), str(FLOOD_CONNECTIONS)) as flood:
            time.sleep(_FLOOD_SECONDS)
            seconds = self.call(model_name, [*files] * FLOOD_PASSES)
            self._console.print(f"  connections of the flood: {flood.ask()}")
        return seconds


def images_embedded(model: Model) -> int:
    return model.training_progress.images_embedded if model.training_progress is not None else 0
