"""Computes and reads the features of a plan's images."""

from collections.abc import Mapping
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from vision_customization.contract.errors import FailureCode
from vision_customization.engine.annotations import TaggedImage
from vision_customization.engine.jobs.errors import JobFailed
from vision_customization.engine.jobs.images.resources import Resources
from vision_customization.engine.jobs.images.shards import LOST, Shards


class Embedding:
    """Keeps the features of images: the `Keeping` of jobs that train or evaluate a classifier."""

    detail = 1

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def has(self, sha256: str) -> bool:
        return self._resources.kept.has(sha256)

    def add(self, images: Mapping[str, NDArray[np.uint8]]) -> int:
        kept = self._resources.kept.get(list(images))
        missing = {digest: pixels for (digest, pixels), found in zip(images.items(), kept, strict=True) if found is None}
        extracted = self._resources.extractor.extract(list(missing.values()))
        self._resources.kept.put(dict(zip(missing, extracted, strict=True)))
        return len(missing)

    def features(self, shards: Shards, part: int, count: int) -> tuple[NDArray[np.float32], NDArray[np.int64], list[str]]:
        """The first `count` shards of a part: features float32 [n, d], tags int64 [n] and digests of their images.

        They are sorted by tag and digest, and do not depend on the order in the annotation files.
        """
        entries = []
        for image, digest in shards.digests(part, count):
            assert isinstance(image, TaggedImage)
            entries.append((image.tag, digest))
        entries.sort(key=itemgetter(0, 1))
        features = np.empty((len(entries), self._resources.extractor.dimensions), np.float32)
        for row, kept in enumerate(self._resources.kept.get([digest for _, digest in entries])):
            if kept is None:
                raise JobFailed(FailureCode.UNKNOWN, LOST)
            features[row] = kept
        return features, np.array([tag for tag, _ in entries], np.int64), [digest for _, digest in entries]
