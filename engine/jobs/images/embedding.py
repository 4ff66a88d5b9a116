"""Computes and reads the features of a plan's images."""

import logging
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from vision_customization.contract.errors import FailureCode
from vision_customization.engine.annotations import MultiTaggedImage, TaggedImage
from vision_customization.engine.jobs.errors import JobFailed
from vision_customization.engine.jobs.images.plan import named
from vision_customization.engine.jobs.images.resources import Resources
from vision_customization.engine.jobs.images.shards import LOST, Shards
from vision_customization.engine.learning import Classifier
from vision_customization.engine.learning.classification.views import SLICES
from vision_customization.engine.outcomes.outcomes import ImageName
from vision_customization.engine.store.speeds import Work

_log = logging.getLogger(__name__)


def check_networks(classifier: Classifier, dimensions: int) -> None:
    """Raises JobFailed if features of this length lack views of the classifier: a network that this engine does not have."""
    lacking = {view.source.backbone.title for view in classifier.views if SLICES[view].stop > dimensions}
    if lacking:
        message = (
            f"The model uses {' and '.join(sorted(lacking))}, whose weights this engine does not have. "
            "Run `vision-engine weights pull`, restart the engine, and start this again."
        )
        raise JobFailed(FailureCode.INTERNAL_SERVER_ERROR, message)


class Embedding:
    """Keeps the features of images: the `Keeping` of jobs that train or evaluate a classifier."""

    detail = 1
    measures: Work = "embedded_image_seconds"

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self.outdated = 0

    def has(self, sha256: str) -> bool:
        return self._resources.kept.has(sha256)

    def add(self, images: Mapping[str, NDArray[np.uint8]]) -> int:
        missing = {digest: images[digest] for digest in self._resources.kept.missing(list(images))}
        self.outdated += self._resources.kept.count_outdated(missing)
        extracted = self._resources.extractor.extract(list(missing.values()))
        self._resources.kept.put(dict(zip(missing, extracted, strict=True)))
        return len(missing)

    def features(self, shards: Shards, part: int, count: int) -> tuple[NDArray[np.float16], NDArray[np.int64], list[ImageName]]:
        """The first `count` shards of a part: features float16 [n, d], tags int64 [n] and names of their images.

        They are sorted by tag, digest and URL, and do not depend on the order in the annotation files.
        """
        entries = []
        for image, digest in shards.digests(part, count):
            assert isinstance(image, TaggedImage)
            entries.append((image.tag, named(image, digest)))
        entries.sort(key=lambda entry: (entry[0], entry[1].sha256, entry[1].url))
        names = [name for _, name in entries]
        return self._features(shards, part, count, names), np.array([tag for tag, _ in entries], np.int64), names

    def multi_label_features(
        self, shards: Shards, part: int, count: int, tags: int
    ) -> tuple[NDArray[np.float16], NDArray[np.bool_], list[ImageName]]:
        """As `features`, for images with any number of tags: whether each of the `tags` is present, bool [n, tags]. They are
        sorted by digest and URL."""
        entries = []
        for image, digest in shards.digests(part, count):
            assert isinstance(image, MultiTaggedImage)
            entries.append((named(image, digest), image.tags))
        entries.sort(key=lambda entry: (entry[0].sha256, entry[1], entry[0].url))
        present = np.zeros((len(entries), tags), np.bool_)
        for row, (_, tags_present) in enumerate(entries):
            present[row, list(tags_present)] = True
        names = [name for name, _ in entries]
        return self._features(shards, part, count, names), present, names

    def _features(self, shards: Shards, part: int, count: int, names: Sequence[ImageName]) -> NDArray[np.float16]:
        """The features of images, float16 [n, d]. Raises JobFailed if some were lost.

        An engine with other networks, or of another version, may have begun the job: then they are computed again.
        """
        digests = [name.sha256 for name in names]
        features, found = self._resources.kept.read(digests)
        if not found.all():
            missing = {digests[index] for index in np.flatnonzero(~found)}
            _log.warning("features of %d images are computed again: the engine has changed, or they were lost", len(missing))
            shards.keep_again(part, count, missing)
            features, found = self._resources.kept.read(digests)
            if not found.all():
                raise JobFailed(FailureCode.UNKNOWN, LOST)
        return features
