"""Short vectors of a draft's images, so that all of them fit into memory: images that are alike have vectors near each other.

They are the vectors of the default recipe, projected on the directions in which a sample of the draft's images differs most
(principal components).
"""

import json
import zipfile
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from vision_customization.contract.enums import AnnotationKind
from vision_customization.engine.inspection.report import VERSION
from vision_customization.engine.learning import ArtifactError
from vision_customization.engine.learning.classification.classifier import Block, Features, apply_blocks
from vision_customization.engine.learning.classification.recipes import DEFAULT
from vision_customization.engine.learning.classification.views import views_in
from vision_customization.engine.learning.npz import from_npz, to_npz

DIMENSIONS = 128
"""Of a vector; fewer if the projection was fitted on fewer images."""

FITTED_MAX = 1000
"""Images that a projection is fitted on at most: a sample stands for all."""

IMAGES_MAX = 200_000
"""Images of a draft that get vectors: the first ones. A process that orders them has all of them in memory."""

_VERSION = 1
_ROWS = 256


class VectorsReport(BaseModel):
    """Up to which number a draft's images were looked at, how many of them have a vector, and how many cannot be read."""

    model_config = ConfigDict(frozen=True)

    until: int
    images: int
    unread: int = 0


class VectorsOrder(BaseModel):
    """What the vectors of a draft are made from: the draft, and its images with numbers below `stop`. `after` is the inspection
    before, if there was one, so that it is another one each time. `version` is that of inspections: workers of another one
    leave it."""

    model_config = ConfigDict(frozen=True)

    id: str
    draft: int
    container: str
    annotation_kind: AnnotationKind
    stop: int
    after: str = ""
    version: int = VERSION


@dataclass(frozen=True)
class Projection:
    """From features to short vectors: the default recipe's blocks, the mean of their vectors, float32 [c], and the principal
    components, float32 [c, d]. `images` is how many images there were when it was fitted on FITTED_MAX of them at most."""

    blocks: tuple[Block, ...]
    mean: NDArray[np.float32]
    components: NDArray[np.float32]
    images: int

    @classmethod
    def fit(cls, features: Features, images: int) -> Self:
        """Fit on the features of a sample of `images` images, float32 [n, dimensions], n at least 1."""
        blocks = DEFAULT.within(views_in(features.shape[1])).fit_blocks(features)
        x = apply_blocks(blocks, features)
        mean = x.mean(axis=0)
        x -= mean
        # From the inner products, since there are fewer images than dimensions.
        variances, directions = np.linalg.eigh((x @ x.T).astype(np.float64))
        kept = np.argsort(-variances)[: min(DIMENSIONS, max(1, len(x) - 1))]
        lengths = np.sqrt(np.maximum(variances[kept], 1e-12))
        components = x.T @ (directions[:, kept] / lengths).astype(np.float32)
        return cls(blocks, mean, components, images)

    def vectors(self, features: Features) -> NDArray[np.float16]:
        """float32 [n, dimensions] → float16 [n, d]. A float16 keeps three digits, and distances need no more."""
        found = np.empty((len(features), self.components.shape[1]), np.float16)
        for start in range(0, len(features), _ROWS):
            part = slice(start, start + _ROWS)
            found[part] = (apply_blocks(self.blocks, features[part]) - self.mean) @ self.components
        return found


@dataclass(frozen=True)
class DraftVectors:
    """The vectors of a draft's images, float16 [n, d]. `numbers`, int32 [n], are those of the images, rising.

    Every image with a number below `until` has a vector, or is one of the `unread` ones that could not be read. `key` is the
    extractor's, for whose features the projection is.
    """

    key: str
    projection: Projection
    numbers: NDArray[np.int32]
    vectors: NDArray[np.float16]
    until: int
    unread: int = 0

    def to_npz(self) -> bytes:
        facts = {
            "version": _VERSION,
            "key": self.key,
            "until": self.until,
            "unread": self.unread,
            "images": self.projection.images,
        }
        arrays: dict[str, NDArray[np.generic]] = {
            "facts": np.frombuffer(json.dumps(facts).encode(), np.uint8),
            "numbers": self.numbers,
            "vectors": self.vectors,
            "mean": self.projection.mean,
            "components": self.projection.components,
        }
        for index, block in enumerate(self.projection.blocks):
            arrays |= {f"mean{index}": block.mean, f"scale{index}": block.scale}
        return to_npz(arrays)

    @classmethod
    def from_npz(cls, data: bytes) -> Self:
        """Raises ArtifactError if the bytes are damaged, or another version wrote them."""
        try:
            arrays = from_npz(data)
            facts = json.loads(arrays["facts"].tobytes())
            if facts["version"] != _VERSION:
                raise ArtifactError("another version wrote these vectors")
            views = DEFAULT.blocks[: sum(name.startswith("scale") for name in arrays)]
            blocks = tuple(
                Block(views_, DEFAULT.unit_length, _floats(arrays[f"mean{index}"]), _floats(arrays[f"scale{index}"]))
                for index, views_ in enumerate(views)
            )
            projection = Projection(blocks, _floats(arrays["mean"]), _floats(arrays["components"]), facts["images"])
            numbers, vectors = arrays["numbers"].astype(np.int32), arrays["vectors"].astype(np.float16)
            if len(numbers) != len(vectors):
                raise ArtifactError(f"there are {len(numbers)} numbers for {len(vectors)} vectors")
            return cls(facts["key"], projection, numbers, vectors, facts["until"], facts["unread"])
        except (KeyError, ValueError, OSError, EOFError, TypeError, zipfile.BadZipFile) as error:
            raise ArtifactError(f"the stored vectors are damaged: {error}") from error


def _floats(array: NDArray[np.generic]) -> NDArray[np.float32]:
    return array.astype(np.float32)
