"""Features of images: the networks' outputs for each, as one vector."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vision_customization.engine.learning.classification.feature_graph import load_networks, resize_model, views_model
from vision_customization.engine.learning.classification.views import DIMENSIONS, SLICES, VIEWS, layout_key
from vision_customization.engine.learning.onnx_files.checking import IMAGE
from vision_customization.engine.learning.onnx_files.sessions import Pixels, open_session
from vision_customization.engine.learning.pretrained.backbones import BACKBONES, ensure_weights

_BATCH = 4
"""Images per run. More are not faster on a CPU, because they do not fit into its caches."""


class FeatureExtractor:
    """Turns pixels into features, with all views that any recipe may use. Threads may share it: it never changes, and several
    runs of an ONNX Runtime session may overlap.

    `key` identifies everything that features depend on besides the pixels: features stored under another key are useless.
    """

    def __init__(self, weights_dir: Path, threads: int = 2) -> None:
        """Raises WeightsError if the converted networks are not in `weights_dir`."""
        networks = load_networks(ensure_weights(weights_dir))
        self.key = layout_key()
        self.dimensions = DIMENSIONS
        self._resize = open_session(resize_model(BACKBONES).SerializeToString(), threads)
        self._views = {backbone: tuple(view for view in VIEWS if view.source.backbone == backbone) for backbone in BACKBONES}
        self._sessions = {
            backbone: open_session(views_model(backbone, views, networks[backbone.name]).SerializeToString(), threads)
            for backbone, views in self._views.items()
        }

    def extract(self, images: Sequence[Pixels]) -> list[NDArray[np.float32]]:
        """The features of each image.

        Args:
            images: uint8 [h, w, 3] each, of any size. All of them are held in memory at the networks' size (2 MB each).

        Returns:
            As many vectors, float32 [dimensions].
        """
        features = [np.empty(self.dimensions, np.float32) for _ in images]
        resized = [self._resize.run(None, {IMAGE: np.ascontiguousarray(pixels)}) for pixels in images]
        for position, backbone in enumerate(BACKBONES):
            by_shape: dict[tuple[int, ...], list[int]] = defaultdict(list)
            for index, planes in enumerate(resized):
                by_shape[planes[position].shape].append(index)
            for indices in by_shape.values():
                for start in range(0, len(indices), _BATCH):
                    batch = indices[start : start + _BATCH]
                    planes = np.concatenate([resized[index][position] for index in batch])
                    (vectors,) = self._sessions[backbone].run(None, {"planes": planes})
                    self._scatter(backbone.name, vectors, [features[index] for index in batch])
        return features

    def _scatter(self, backbone_name: str, vectors: NDArray[np.float32], features: Sequence[NDArray[np.float32]]) -> None:
        views = next(views for backbone, views in self._views.items() if backbone.name == backbone_name)
        start = 0
        for view in views:
            for vector, target in zip(vectors, features, strict=True):
                target[SLICES[view]] = vector[start : start + view.dimensions]
            start += view.dimensions
