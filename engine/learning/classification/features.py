"""Features of images: the networks' outputs for each, as one vector."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vision_customization.engine.learning.classification.feature_graph import load_networks, resize_model, views_model
from vision_customization.engine.learning.classification.views import (
    SLICES,
    dimensions_of,
    layout_key,
    passes_of,
    views_of,
)
from vision_customization.engine.learning.onnx_files.checking import IMAGE
from vision_customization.engine.learning.onnx_files.sessions import Pixels, open_session
from vision_customization.engine.learning.pretrained.backbones import BACKBONES, Backbone, ensure_weights

_BATCH = 4
"""Images per run. More are not faster on a CPU, because they do not fit into its caches."""


class FeatureExtractor:
    """Turns pixels into features, with all views that any recipe may use. Threads may share it: it never changes, and several
    runs of an ONNX Runtime session may overlap.

    `networks` are those whose weights are there. `key` identifies everything that features depend on besides the pixels:
    features stored under another key are useless.
    """

    def __init__(self, weights_dir: Path, threads: int = 2) -> None:
        """Raises WeightsError if a required network is not in `weights_dir`."""
        paths = ensure_weights(weights_dir)
        self.networks = tuple(backbone for backbone in BACKBONES if backbone.name in paths)
        self.key = layout_key(self.networks)
        self.dimensions = dimensions_of(self.networks)
        self._resize = open_session(resize_model(passes_of(views_of(self.networks))).SerializeToString(), threads)
        networks = load_networks(paths)
        self._views = {backbone: views_of([backbone]) for backbone in self.networks}
        self._sessions = {
            backbone: open_session(views_model(backbone, views, networks[backbone.name]).SerializeToString(), threads)
            for backbone, views in self._views.items()
        }

    def extract(self, images: Sequence[Pixels]) -> list[NDArray[np.float32]]:
        """The features of each image.

        Args:
            images: uint8 [h, w, 3] each, of any size. All of them are held in memory at the networks' size (4 MB each).

        Returns:
            As many vectors, float32 [dimensions].
        """
        features = [np.empty(self.dimensions, np.float32) for _ in images]
        names = [output.name for output in self._resize.get_outputs()]
        resized = [
            dict(zip(names, self._resize.run(None, {IMAGE: np.ascontiguousarray(pixels)}), strict=True)) for pixels in images
        ]
        for backbone, session in self._sessions.items():
            seen = [value.name for value in session.get_inputs()]
            by_shape: dict[tuple[int, ...], list[int]] = defaultdict(list)
            for index, planes in enumerate(resized):
                by_shape[planes[seen[0]].shape].append(index)
            for indices in by_shape.values():
                for start in range(0, len(indices), _BATCH):
                    batch = indices[start : start + _BATCH]
                    inputs = {name: np.concatenate([resized[index][name] for index in batch]) for name in seen}
                    (vectors,) = session.run(None, inputs)
                    self._scatter(backbone, vectors, [features[index] for index in batch])
        return features

    def _scatter(self, backbone: Backbone, vectors: NDArray[np.float32], features: Sequence[NDArray[np.float32]]) -> None:
        start = 0
        for view in self._views[backbone]:
            for vector, target in zip(vectors, features, strict=True):
                target[SLICES[view]] = vector[start : start + view.dimensions]
            start += view.dimensions
