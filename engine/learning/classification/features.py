"""Features of images: the networks' outputs for each, as one vector."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnxruntime import InferenceSession, RunOptions

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

    Threads may share it: it never changes, and several runs of an ONNX Runtime session may overlap. `networks` are those whose
    weights exist. `key` identifies everything that features depend on besides the pixels: features stored under another key
    are useless.
    """

    def __init__(self, weights_dir: Path, threads: int = 2) -> None:
        """Raises WeightsError if a required network is not in `weights_dir`."""
        paths = ensure_weights(weights_dir)
        self.networks = tuple(backbone for backbone in BACKBONES if backbone.name in paths)
        self.key = layout_key(self.networks)
        self.dimensions = dimensions_of(self.networks)
        self.passes = passes_of(views_of(self.networks))
        networks = load_networks(paths)
        self._views = {run: [view for view in views_of(self.networks) if view.source == run] for run in self.passes}
        self._resizes: dict[str, InferenceSession] = {}
        self._sessions: dict[Pass, InferenceSession] = {}
        for run in self.passes:
            if run.planes not in self._resizes:
                self._resizes[run.planes] = open_session(resize_model(run).SerializeToString(), threads)
            if run.network not in self._sessions:
                model = network_model(run.network, self._poolings(run.network), networks[run.backbone.name])
                self._sessions[run.network] = open_session(model.SerializeToString(), threads)
        del networks
        return_freed_memory()

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
        needed = dict.fromkeys(run.planes for run in passes)
        resized = [
            {name: self._resizes[name].run(None, {IMAGE: np.ascontiguousarray(pixels)}, options)[0] for name in needed}
            for pixels in images
        ]
        for network, session in self._sessions.items():
            runs = [run for run in passes if run.network == network]
            by_shape: dict[tuple[int, ...], list[tuple[int, Pass]]] = defaultdict(list)
            for index, planes in enumerate(resized):
                for run in runs:
                    by_shape[planes[run.planes].shape].append((index, run))
            for seen in by_shape.values():
                for start in range(0, len(seen), _BATCH):
                    batch = seen[start : start + _BATCH]
                    parts = [_seen(resized[index], run) for index, run in batch]
                    inputs = np.concatenate(parts) if len(parts) > 1 else np.ascontiguousarray(parts[0])
                    outputs = [output.name for output in session.get_outputs()]
                    pooled = dict(zip(outputs, session.run(outputs, {PLANES: inputs}, options), strict=True))
                    for position, (index, run) in enumerate(batch):
                        for view in self._views[run]:
                            features[index][SLICES[view]] = pooled[view.pooling][position]


def _seen(resized: Mapping[str, NDArray[np.float32]], run: Pass) -> NDArray[np.float32]:
    planes = resized[run.planes]
    return planes[..., ::-1] if run.mirrored else planes
