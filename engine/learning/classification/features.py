"""Features of images: the networks' outputs for each, as one vector."""

import threading
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnxruntime import InferenceSession, OrtValue, RunOptions

from vision_customization.engine.learning.classification.feature_graph import (
    PLANES,
    load_networks,
    network_model,
    resize_model,
)
from vision_customization.engine.learning.classification.views import (
    SLICES,
    Pass,
    Pooling,
    dimensions_of,
    layout_key,
    passes_of,
    views_of,
)
from vision_customization.engine.learning.onnx_files.checking import IMAGE
from vision_customization.engine.learning.onnx_files.sessions import Pixels, open_session
from vision_customization.engine.learning.pretrained.backbones import BACKBONES, ensure_weights
from vision_customization.engine.runtime.freed_memory import return_freed_memory


@dataclass(frozen=True)
class _Network:
    """A network that is open: for each of its `poolings`, the output of that name. It has one pass over an image, and then
    takes the image as it is, or it takes the planes that `resizes` make, by `Pass.planes`."""

    session: InferenceSession
    poolings: Sequence[Pooling]
    resizes: Mapping[str, InferenceSession]

    def run(self, image: OrtValue, passes: Sequence[Pass], options: RunOptions | None) -> dict[Pooling, NDArray[np.float32]]:
        """Each pooling's vectors, float32 [passes, channels], of an image, uint8 [h, w, 3]. The passes are one batch."""
        if not self.resizes:
            inputs = {IMAGE: image}
        else:
            planes = {
                name: self.resizes[name].run_with_ort_values([PLANES], {IMAGE: image}, options)[0].numpy()
                for name in dict.fromkeys(run.planes for run in passes)
            }
            seen = [planes[run.planes][..., :: -1 if run.mirrored else 1] for run in passes]
            inputs = {PLANES: OrtValue.ortvalue_from_numpy(np.concatenate(seen))}
        outputs = self.session.run_with_ort_values(self.poolings, inputs, options)
        return {pooling: output.numpy() for pooling, output in zip(self.poolings, outputs, strict=True)}


class FeatureExtractor:
    """Turns pixels into features: the frozen networks, which all trainings, evaluations and classifiers of a process share.

    A network is opened at its first use. Threads may share the extractor: an open network never changes, and several runs of an
    ONNX Runtime session may overlap. `networks` are those whose weights exist. `key` identifies everything that features depend
    on besides the pixels: features stored under another key are useless.

    An image and its mirror image are one batch. Batches of several images are not faster on a CPU, because they do not fit into
    its caches.
    """

    def __init__(self, weights_dir: Path, threads: int = 2) -> None:
        """Raises WeightsError if a required network is not in `weights_dir`."""
        self._paths = ensure_weights(weights_dir)
        self._threads = threads
        self.networks = tuple(backbone for backbone in BACKBONES if backbone.name in self._paths)
        self.key = layout_key(self.networks)
        self.dimensions = dimensions_of(self.networks)
        views = views_of(self.networks)
        self.passes = passes_of(views)
        self._slices = {run: {view.pooling: SLICES[view] for view in views if view.source == run} for run in self.passes}
        self._open: dict[Pass, _Network] = {}
        self._opening = threading.Lock()

    def open(self, passes: Iterable[Pass]) -> None:
        """Open the networks of these passes, unless they are open."""
        closed = [network for network in dict.fromkeys(run.network for run in passes) if network not in self._open]
        if not closed:
            return
        with self._opening:
            for network in closed:
                if network not in self._open:
                    self._open[network] = self._opened(network)
        return_freed_memory()

    def _opened(self, network: Pass) -> _Network:
        runs = [run for run in self.passes if run.network == network]
        name = network.backbone.name
        poolings = list(dict.fromkeys(pooling for run in runs for pooling in self._slices[run]))
        weights = load_networks({name: self._paths[name]})[name]
        model = network_model(network, poolings, weights, resizes=len(runs) == 1)
        resizes = {} if len(runs) == 1 else {run.planes: resize_model(run) for run in runs}
        return _Network(
            open_session(model.SerializeToString(), self._threads),
            poolings,
            {planes: open_session(resize.SerializeToString(), self._threads) for planes, resize in resizes.items()},
        )

    def extract(self, images: Sequence[Pixels]) -> list[NDArray[np.float32]]:
        """The features of each image.

        Args:
            images: uint8 [h, w, 3] each, of any size.

        Returns:
            As many vectors, float32 [dimensions].
        """
        features = [np.empty(self.dimensions, np.float32) for _ in images]
        self.fill(features, images, self.passes)
        return features

    def fill(
        self,
        features: Sequence[NDArray[np.float32]],
        images: Sequence[Pixels],
        passes: Collection[Pass],
        options: RunOptions | None = None,
    ) -> None:
        """Write the views of some passes into the images' features.

        Args:
            features: float32 [dimensions] for each image; the views of other passes are left as they are.
            images: uint8 [h, w, 3] each.
            options: its `terminate` ends the run, which then raises an exception of ONNX Runtime.
        """
        self.open(passes)
        by_network: dict[Pass, list[Pass]] = defaultdict(list)
        for run in passes:
            by_network[run.network].append(run)
        values = [OrtValue.ortvalue_from_numpy(np.ascontiguousarray(pixels)) for pixels in images]
        for network, runs in by_network.items():
            for target, image in zip(features, values, strict=True):
                vectors = self._open[network].run(image, runs, options)
                for position, run in enumerate(runs):
                    for pooling, columns in self._slices[run].items():
                        target[columns] = vectors[pooling][position]
