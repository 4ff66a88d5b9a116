"""A trained classifier: the views that it uses, their standardisation, and one linear head on top."""

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from vision_customization.engine.learning.classification.novelty import Novelty
from vision_customization.engine.learning.classification.views import LAYOUTS, SLICES, VIEWS, View, layout_of, views_in
from vision_customization.engine.learning.errors import ArtifactError
from vision_customization.engine.learning.npz import to_npz

Features = NDArray[np.float16] | NDArray[np.float32]
"""[n, dimensions], as the extractor gives them or as they are stored."""

_VERSION, _MULTI_LABEL_VERSION = 1, 2
_CHUNK = 1024
LENGTH_LEAST = 1e-6
"""Lower bound of the length that a vector is divided by."""
_VIEW_BY_NAME = {view.name: view for view in VIEWS}


@dataclass(frozen=True)
class Block:
    """Corresponding views of an image and of its mirror image (or one view alone), and their standardisation.

    Each view becomes `(v − mean) · scale`, and is divided by its length if `unit_length`; the block is their mean. `mean`
    and `scale` are float32 [c].
    """

    views: tuple[View, ...]
    unit_length: bool
    mean: NDArray[np.float32]
    scale: NDArray[np.float32]

    def apply(self, features: Features) -> NDArray[np.float32]:
        """[n, dimensions of all views] → float32 [n, c]."""
        total = np.zeros((len(features), len(self.mean)), np.float32)
        for view in self.views:
            vectors = (features[:, SLICES[view]] - self.mean) * self.scale
            if self.unit_length:
                lengths = np.sqrt(np.square(vectors).sum(axis=1, keepdims=True, dtype=np.float32))
                vectors /= np.maximum(lengths, np.float32(LENGTH_LEAST))
            total += vectors
        return total / np.float32(len(self.views))


def fit_block(views: tuple[View, ...], features: Features, *, unit_length: bool) -> Block:
    """Standardise with the average of each dimension's variance and the mean variance: rare dimensions count more than in the
    raw vector, and noise is not amplified to the size of a signal."""
    count = len(features) * len(views)
    mean = np.sum([features[:, SLICES[view]].sum(axis=0, dtype=np.float64) for view in views], axis=0) / count
    squares = [np.square(features[:, SLICES[view]] - mean.astype(np.float32)).sum(axis=0, dtype=np.float64) for view in views]
    return standardised(views, mean, np.sum(squares, axis=0) / count, unit_length=unit_length)


def standardised(
    views: tuple[View, ...], mean: NDArray[np.float64], variance: NDArray[np.float64], *, unit_length: bool
) -> Block:
    """The block of views whose dimensions have this mean and variance, float64 [c]; see `fit_block`."""
    blended = 0.5 * variance + 0.5 * variance.mean()
    scale = 1 / np.sqrt(blended) if blended.min() > 0 else np.ones_like(blended)
    if not unit_length:
        scale /= np.sqrt(len(scale))
    return Block(views, unit_length, mean.astype(np.float32), scale.astype(np.float32))


def apply_blocks(blocks: Sequence[Block], features: Features) -> NDArray[np.float32]:
    """[n, dimensions] → float32 [n, D], the concatenated blocks."""
    return np.concatenate([block.apply(features) for block in blocks], axis=1)


@dataclass(frozen=True)
class Classifier:
    """Probabilities are `softmax(blocks(features) @ weights + bias)`: weights float32 [D, k], bias float32 [k], with the
    calibration multiplied in.

    A multi-label classifier has `thresholds`, each 0…1, and a sigmoid instead of the softmax: its probabilities are
    independent, and a tag counts as present from its threshold on. A classifier of an older version, and one with too few
    images, has no `novelty`.
    """

    tags: tuple[str, ...]
    blocks: tuple[Block, ...]
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    thresholds: tuple[float, ...] | None = None
    novelty: Novelty | None = None

    @property
    def views(self) -> tuple[View, ...]:
        return tuple(view for block in self.blocks for view in block.views)

    @property
    def layout(self) -> str:
        """The key of the shortest layout of features that has its views."""
        return layout_of(self.views)

    @property
    def size_bytes(self) -> int:
        """What its arrays take in memory."""
        arrays = [self.weights, self.bias, *(array for block in self.blocks for array in (block.mean, block.scale))]
        if self.novelty is not None:
            arrays += [getattr(self.novelty, part.name) for part in fields(Novelty)]
        return sum(array.nbytes for array in arrays)

    def probabilities(self, features: Features) -> NDArray[np.float32]:
        """[n, dimensions] → float32 [n, k]; without `thresholds`, each row sums to one.

        Raises:
            ValueError: the features have another length, or lack a view.
        """
        if lacking := set(self.views).difference(views_in(features.shape[1])):
            raise ValueError(f"features are without {', '.join(sorted(view.name for view in lacking))}")
        result = np.empty((len(features), len(self.tags)), np.float32)
        for start in range(0, len(features), _CHUNK):
            chunk = np.asarray(features[start : start + _CHUNK], np.float32)
            scores = apply_blocks(self.blocks, chunk) @ self.weights + self.bias
            if self.thresholds is not None:
                result[start : start + _CHUNK] = expit(scores)
                continue
            scores = np.exp(scores - scores.max(axis=1, keepdims=True))
            result[start : start + _CHUNK] = scores / scores.sum(axis=1, keepdims=True)
        return result

    def novelties(self, features: Features) -> NDArray[np.float32] | None:
        """[n, dimensions] → float32 [n], 0…1; None if the classifier does not tell the novelty."""
        return None if self.novelty is None else self.novelty.of(apply_blocks(self.blocks, features))

    def to_npz(self) -> bytes:
        """The classifier as an npz file; the same classifier gives the same bytes."""
        facts: dict[str, object] = {
            "version": _VERSION if self.thresholds is None else _MULTI_LABEL_VERSION,
            "layout": self.layout,
            "tags": self.tags,
            "blocks": [
                {"views": [view.name for view in block.views], "unitLength": block.unit_length} for block in self.blocks
            ],
        }
        if self.thresholds is not None:
            facts["thresholds"] = self.thresholds
        arrays: dict[str, NDArray[np.generic]] = {
            "facts": np.frombuffer(json.dumps(facts, ensure_ascii=False).encode(), np.uint8),
            "weights": self.weights,
            "bias": self.bias,
        }
        for index, block in enumerate(self.blocks):
            arrays |= {f"mean{index}": block.mean, f"scale{index}": block.scale}
        if self.novelty is not None:
            arrays |= {f"novelty.{field.name}": getattr(self.novelty, field.name) for field in fields(Novelty)}
        return to_npz(arrays)

    @classmethod
    def from_npz(cls, data: bytes) -> "Classifier":
        """Read what `to_npz` wrote.

        Raises:
            ArtifactError: the bytes are damaged, or are for features that this version does not compute.
        """
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                facts = json.loads(arrays["facts"].tobytes())
                thresholds = facts["thresholds"] if facts["version"] == _MULTI_LABEL_VERSION else None
                if facts["version"] not in (_VERSION, _MULTI_LABEL_VERSION) or facts["layout"] not in LAYOUTS:
                    raise ArtifactError("the stored classifier is for another version of the features. Train the model again")
                blocks = tuple(
                    Block(
                        tuple(_VIEW_BY_NAME[name] for name in block["views"]),
                        block["unitLength"],
                        arrays[f"mean{index}"],
                        arrays[f"scale{index}"],
                    )
                    for index, block in enumerate(facts["blocks"])
                )
                return cls(
                    tuple(facts["tags"]),
                    blocks,
                    arrays["weights"],
                    arrays["bias"],
                    None if thresholds is None else tuple(thresholds),
                    Novelty(*(arrays[f"novelty.{field.name}"] for field in fields(Novelty)))
                    if "novelty.scale" in arrays
                    else None,
                )
        except (KeyError, ValueError, OSError, EOFError, TypeError, zipfile.BadZipFile) as error:
            raise ArtifactError(f"the stored classifier is damaged: {error}") from error
