"""Computes the features of a plan's images."""

import logging
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from vision_customization.contract.errors import FailureCode
from vision_customization.engine.jobs.errors import JobFailed
from vision_customization.engine.jobs.images.resources import Resources
from vision_customization.engine.learning import Classifier
from vision_customization.engine.learning.classification.views import SLICES
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
