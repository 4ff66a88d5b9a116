"""Features of images: the networks' outputs for each, as one vector."""

import threading
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
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

_BATCH = 4
"""Images and mirror images per run. More are not faster on a CPU, because they do not fit into its caches."""


class FeatureExtractor:
    """Turns pixels into features: the frozen networks, which all trainings, evaluations and classifiers of a process share.

    A network is opened at its first use. Threads may share the extractor: an open network never changes, and several runs of an
    ONNX Runtime session may overlap. `networks` are those whose weights exist. `key` identifies everything that features depend
    on besides the pixels: features stored under another key are useless.
    """

    def __init__(self, weights_dir: Path, threads: int = 2) -> None:
        """Raises WeightsError if a required network is not in `weights_dir`."""
        self._paths = ensure_weights(weights_dir)
        self._threads = threads
        self.networks = tuple(backbone for backbone in BACKBONES if backbone.name in self._paths)
        self.key = layout_key(self.networks)
        self.dimensions = dimensions_of(self.networks)
        self.passes = passes_of(views_of(self.networks))
        self._views = {run: [view for view in views_of(self.networks) if view.source == run] for run in self.passes}
        self._resizes: dict[str, InferenceSession] = {}
        self._sessions: dict[Pass, InferenceSession] = {}
        self._opening = threading.Lock()

    def open(self, passes: Iterable[Pass]) -> None:
        """Open what computes these passes and is not open yet."""
        closed = [run for run in passes if run.planes not in self._resizes or run.network not in self._sessions]
        if not closed:
            return
        with self._opening:
            for run in closed:
                self._open(run)
        return_freed_memory()

    def _open(self, run: Pass) -> None:
        if run.planes not in self._resizes:
            self._resizes[run.planes] = open_session(resize_model(run).SerializeToString(), self._threads)
        if run.network not in self._sessions:
            name = run.backbone.name
            network = load_networks({name: self._paths[name]})[name]
            model = network_model(run.network, self._poolings(run.network), network)
            self._sessions[run.network] = open_session(model.SerializeToString(), self._threads)

    def _poolings(self, network: Pass) -> list[Pooling]:
        return list(dict.fromkeys(v.pooling for run, views in self._views.items() if run.network == network for v in views))

    def extract(self, images: Sequence[Pixels]) -> list[NDArray[np.float32]]:
        """The features of each image.

        Args:
            images: uint8 [h, w, 3] each, of any size. All of them are held in memory at the networks' size (4 MB each).

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
        needed = dict.fromkeys(run.planes for run in passes)
        resized = [{planes: self._resized(planes, pixels, options) for planes in needed} for pixels in images]
        for network in dict.fromkeys(run.network for run in passes):
            runs = [run for run in passes if run.network == network]
            by_shape: dict[tuple[int, ...], list[tuple[int, Pass]]] = defaultdict(list)
            for index, planes in enumerate(resized):
                for run in runs:
                    by_shape[tuple(planes[run.planes].shape())].append((index, run))
            for seen in by_shape.values():
                for start in range(0, len(seen), _BATCH):
                    batch = seen[start : start + _BATCH]
                    pooled = self._pooled(network, [(resized[index][run.planes], run) for index, run in batch], options)
                    for position, (index, run) in enumerate(batch):
                        for view in self._views[run]:
                            features[index][SLICES[view]] = pooled[view.pooling][position]

    def _resized(self, planes: str, pixels: Pixels, options: RunOptions | None) -> OrtValue:
        image = OrtValue.ortvalue_from_numpy(np.ascontiguousarray(pixels))
        (resized,) = self._resizes[planes].run_with_ort_values([PLANES], {IMAGE: image}, options)
        return resized

    def _pooled(
        self, network: Pass, seen: Sequence[tuple[OrtValue, Pass]], options: RunOptions | None
    ) -> dict[str, NDArray[np.float32]]:
        """What the network makes of planes of one shape: float32 [n, channels] for each pooling, by its name."""
        session = self._sessions[network]
        (planes, run), *others = seen
        if others or run.mirrored:
            parts = [planes.numpy()[..., :: -1 if run.mirrored else 1] for planes, run in seen]
            planes = OrtValue.ortvalue_from_numpy(np.concatenate(parts))
        outputs = [output.name for output in session.get_outputs()]
        pooled = session.run_with_ort_values(outputs, {PLANES: planes}, options)
        return {name: value.numpy() for name, value in zip(outputs, pooled, strict=True)}
