"""The images of a part of a plan, in an order of their own, with their tags and features, for what learns or judges.

In memory are only their digests, their tags and their places in the plan. Features are read some at a time.
"""

import logging
from array import array
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from vision_customization.contract.errors import FailureCode
from vision_customization.engine.annotations import MultiTaggedImage, TaggedImage
from vision_customization.engine.blobs.address import without_query
from vision_customization.engine.jobs.errors import JobFailed
from vision_customization.engine.jobs.images.kept_features import KeptFeatures
from vision_customization.engine.jobs.images.packs import Digests, to_digests
from vision_customization.engine.jobs.images.plan import AnnotatedImage, named
from vision_customization.engine.jobs.images.shards import LOST, Shards
from vision_customization.engine.learning.classification.everything import sample_rows
from vision_customization.engine.learning.classification.views import View
from vision_customization.engine.outcomes.outcomes import ImageName

_AT_ONCE = 10_000

_log = logging.getLogger(__name__)


class StoredImages:
    """The images of the first `count` shards of a part. If each has one tag, they are sorted by tag, digest and URL, else by
    digest, tags and URL: the order in the annotation files does not matter.

    `tags` are those of each image, bool [n, k].
    """

    def __init__(
        self, kept: KeptFeatures, shards: Shards, images: Sequence[AnnotatedImage], part: int, count: int, tags: int
    ) -> None:
        self._kept = kept
        self._shards = shards
        self._images = images
        self._part = part
        self._count = count
        labels, stops, digests = array("i"), array("q", [0]), list[Digests]()
        several = False
        some: list[str] = []
        for image, digest in shards.digests(part, count):
            several = isinstance(image, MultiTaggedImage)
            labels.extend(_tags_of(image))
            stops.append(len(labels))
            some.append(digest)
            if len(some) == _AT_ONCE:
                digests.append(to_digests(some))
                some = []
        together = np.concatenate([*digests, to_digests(some)])
        unordered = csr_array(
            (np.ones(len(labels), np.bool_), np.array(labels, np.int32), np.array(stops, np.int64)), shape=(len(together), tags)
        )
        self._places = _ordered(images, together, None if several else unordered.indices)
        self._digests: Digests = together[self._places]
        self.tags: csr_array = unordered[self._places]

    def __len__(self) -> int:
        return len(self._digests)

    @property
    def labels(self) -> NDArray[np.int64]:
        """The tag of each image, int64 [n], if it has one."""
        return np.asarray(self.tags.indices, np.int64)

    @property
    def sha256s(self) -> Iterator[str]:
        """The digests of all images, in their order."""
        return (self._digests[row : row + 1].tobytes().hex() for row in range(len(self)))

    def tags_of_each(self) -> Iterator[list[int]]:
        """The tags of all images, in their order."""
        stops = self.tags.indptr.tolist()
        return (self.tags.indices[start:stop].tolist() for start, stop in pairwise(stops))

    def names(self, rows: NDArray[np.int64]) -> list[ImageName]:
        """How outcomes name these images."""
        names: dict[int, ImageName] = {}
        for row in rows[np.argsort(self._places[rows])].tolist():  # the plan's pages are read one after the other
            names[row] = named(self._images[self._places[row]], self._digests[row : row + 1].tobytes().hex())
        return [names[row] for row in rows.tolist()]

    def batches(self, views: Collection[View]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float16]]]:
        """The features of all images with these views, some at a time: the rows, int64 [m], and the features, float16
        [m, dimensions], of which the columns of other views are arbitrary. Raises JobFailed if some were lost."""
        for rows in self._kept.batches(self._digests):
            yield rows, self.features(rows, views)

    def features(self, rows: NDArray[np.int64], views: Collection[View] | None = None) -> NDArray[np.float16]:
        """The features of images, float16 [m, dimensions]. Raises JobFailed if some were lost.

        An engine with other networks, or of another version, may have begun the job: then they are computed again.
        """
        digests = self._digests[rows]
        features, found = self._kept.read(digests, views)
        if not found.all():
            lost = {row.tobytes().hex() for row in digests[~found].reshape(-1, 1)}
            _log.warning("features of %d images are computed again: the engine has changed, or they were lost", len(lost))
            self._shards.keep_again(self._part, self._count, lost)
            features, found = self._kept.read(digests, views)
            if not found.all():
                raise JobFailed(FailureCode.UNKNOWN, LOST)
        return features


@dataclass(frozen=True)
class Everything:
    """All images of a training, of which those at the rows `sample` were looked at."""

    stored: StoredImages
    sample: NDArray[np.int64]

    @property
    def tags(self) -> csr_array:
        return self.stored.tags

    def batches(self, views: Collection[View]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float16]]]:
        return self.stored.batches(views)


@dataclass(frozen=True)
class Sample:
    """The images that fit into memory: their rows and their features, float16 [m, dimensions]. `everything` if they are not
    all."""

    rows: NDArray[np.int64]
    features: NDArray[np.float16]
    everything: Everything | None


def sampled(stored: StoredImages, images: int) -> Sample:
    """About so many of these images, of all tags; all of them if they are not more. Raises JobFailed if some were lost."""
    rows = sample_rows(stored.tags, images)
    features = stored.features(rows)
    return Sample(rows, features, Everything(stored, rows) if len(rows) < len(stored) else None)


def _ordered(images: Sequence[AnnotatedImage], digests: Digests, labels: NDArray[np.int32] | None) -> NDArray[np.int64]:
    """The order of images, int64 [n]: by label, if given, and digest; where these are equal, by tags and URL."""
    keys = [digests] if labels is None else [digests, labels]
    order: NDArray[np.int64] = np.lexsort(keys)
    same = np.logical_and.reduce([key[order[1:]] == key[order[:-1]] for key in keys])
    runs = np.flatnonzero(np.diff(same, prepend=False, append=False)).reshape(-1, 2).tolist()
    equal = np.sort(np.concatenate([np.empty(0, np.int64), *(order[first : last + 1] for first, last in runs)]))
    told_apart = {place: _told_apart(images[place]) for place in equal.tolist()}  # the plan's pages, one after the other
    for first, last in runs:
        order[first : last + 1] = sorted(order[first : last + 1].tolist(), key=told_apart.__getitem__)
    return order


def _told_apart(image: AnnotatedImage) -> tuple[Sequence[int], str]:
    return _tags_of(image), without_query(image.url)


def _tags_of(image: AnnotatedImage) -> Sequence[int]:
    if isinstance(image, TaggedImage):
        return (image.tag,)
    assert isinstance(image, MultiTaggedImage)
    return image.tags
