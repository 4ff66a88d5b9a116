"""The vectors of a draft's images, for what to label next and to find more like one.

An inspection of a draft embeds its images as a training does, so that neither does it again, and stores their short vectors as
one object. After some seconds it embeds no more, so that other inspections get their turn, and says up to which image it came.
A page that waits for the rest asks for the next one.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import SecretStr

from vision_customization.contract.enums import Purpose
from vision_customization.contract.errors import FailureCode
from vision_customization.contract.limits import DATASET_LIMITS
from vision_customization.engine.annotations import TaggedImage
from vision_customization.engine.blobs.access import Access
from vision_customization.engine.drafts.vectors import FITTED_MAX, DraftVectors, Projection, VectorsOrder, VectorsReport
from vision_customization.engine.jobs.errors import JobFailed
from vision_customization.engine.jobs.images.embedding import Embedding
from vision_customization.engine.jobs.images.reading import ImageReading, ReadImage
from vision_customization.engine.jobs.images.resources import Resources
from vision_customization.engine.jobs.images.shards import chunks
from vision_customization.engine.learning import ArtifactError
from vision_customization.engine.learning.classification.recipes import DEFAULT
from vision_customization.engine.objects.keys import vectors_key
from vision_customization.engine.objects.store import ObjectNotFound
from vision_customization.engine.store.inspections import Inputs

SECONDS_MAX = 20.0
"""After which an inspection embeds no further images."""

_AT_ONCE = 128

_log = logging.getLogger(__name__)


class _Image(NamedTuple):
    number: int
    sha256: str
    extension: str


class DraftVectorsMaking:
    """Computes the vectors of drafts' images. `studio_container` is the setting: the address of a container, maybe with a SAS
    token."""

    def __init__(self, resources: Resources, studio_container: SecretStr | None) -> None:
        self._resources = resources
        self._studio_container = studio_container
        self._embedding = Embedding(resources)
        self._why = ""

    def make(self, inputs: Inputs, check: Callable[[], None]) -> VectorsReport:
        """Embed images for some seconds, and store the vectors of all that were embedded. `check` raises JobCancelled.

        Raises:
            SourceUnreachable: the images cannot be read at present.
            JobFailed: none of the images could be read.
        """
        order = VectorsOrder.model_validate(inputs)
        old = self._stored(order.id)
        images, unread, until = self._embed(order, 0 if old is None else old.until, check)
        if unread and not images and old is None:
            advice = "Check that the container still has the draft's images, or add pictures that open in an image viewer."
            why = f"None of the {unread:,} images tried can be read. {self._why} {advice}"
            raise JobFailed(FailureCode.DATASET_CORRUPT, why)
        unread += 0 if old is None else old.unread
        total = len(images) + (0 if old is None else len(old.numbers))
        vectors: DraftVectors | None
        if old is not None and total < 2 * old.projection.images:
            vectors = self._appended(old, images, until, unread, check)
        else:
            vectors = self._fitted(order.draft, until, unread, check)
            if old is not None and (vectors is None or not np.isin(old.numbers, vectors.numbers).all()):
                # The features of some were deleted since, or damaged.
                _, unread, until = self._embed(order, 0, check)
                vectors = self._fitted(order.draft, until, unread, check)
        if vectors is None:
            return VectorsReport(until=until, images=0, unread=unread)
        check()
        self._resources.objects.put(vectors_key(order.id), vectors.to_npz(), durable=False)
        return VectorsReport(until=until, images=len(vectors.numbers), unread=unread)

    def _embed(self, order: VectorsOrder, start: int, check: Callable[[], None]) -> tuple[list[_Image], int, int]:
        """Embed the images from a number on, until the time is up: those that have features now, how many cannot be read, and
        the number up to which it came."""
        began = time.monotonic()
        found: list[_Image] = []
        unread = 0
        for images in self._pages(order.draft, start, order.stop):
            check()
            unknown = set(self._resources.kept.missing([image.sha256 for image in images]))
            missing = [image for image in images if image.sha256 in unknown]
            faulty = {image.sha256 for image in missing} - self._read(order, missing, check)
            found += [image for image in images if image.sha256 not in faulty]
            unread += sum(image.sha256 in faulty for image in images)
            start = images[-1].number + 1
            if time.monotonic() - began > SECONDS_MAX:
                return found, unread, start
        return found, unread, max(start, order.stop)

    def _read(self, order: VectorsOrder, images: Sequence[_Image], check: Callable[[], None]) -> set[str]:
        """Read and embed images; returns the digests of those that could be read. Raises SourceUnreachable."""
        if not images:
            return set()
        limits = DATASET_LIMITS[order.annotation_kind, Purpose.TRAINING]
        listed = [
            TaggedImage(f"{order.container}/images/{image.sha256}{image.extension}", 0, f"image {image.number}")
            for image in images
        ]
        done: set[str] = set()
        reading = ImageReading(
            listed,
            self._resources.reader,
            self._access(order.container),
            {},
            self._embedding,
            sides=(limits.side_min, limits.side_max),
            decoders=self._resources.decoders,
            check=check,
            on_wait=None,
            thumbnails=self._resources.thumbnails,
        )
        with closing(reading):
            for part in chunks(self._readable(reading), len(images), check):
                self._embedding.add({image.record.sha256: image.pixels for image in part if image.pixels is not None})
                thumbnails = {image.record.sha256: image.thumbnail for image in part if image.thumbnail is not None}
                if thumbnails and self._resources.thumbnails is not None:
                    self._resources.thumbnails.put(thumbnails)
                done |= {image.record.sha256 for image in part}
        return done

    def _access(self, container: str) -> Access:
        """How the draft's images are read: with the setting's token, if it is for their container."""
        if self._studio_container is not None:
            url, _, token = self._studio_container.get_secret_value().partition("?")
            if token and url.rstrip("/") == container:
                return Access(SecretStr(token), identity=False, scopes=(container,))
        return Access(None, identity=True, scopes=())

    def _pages(self, draft: int, start: int, stop: int) -> Iterator[list[_Image]]:
        while start < stop:
            found = [_Image(*image) for image in self._resources.store.draft_numbers.addresses(draft, start, _AT_ONCE)]
            images = [image for image in found if image.number < stop]
            if not images:
                return
            yield images
            start = images[-1].number + 1

    def _appended(
        self, old: DraftVectors, images: Sequence[_Image], until: int, unread: int, check: Callable[[], None]
    ) -> DraftVectors:
        vectors = np.empty((len(images), old.vectors.shape[1]), np.float16)
        known = np.zeros(len(images), np.bool_)
        digests = [image.sha256 for image in images]
        for positions in self._resources.kept.batches(digests):
            check()
            features, known[positions] = self._features([digests[position] for position in positions])
            vectors[positions[known[positions]]] = old.projection.vectors(features)
        numbers = np.array([image.number for image in images], np.int32)[known]
        return DraftVectors(
            old.key,
            old.projection,
            np.concatenate([old.numbers, numbers]),
            np.concatenate([old.vectors, vectors[known]]),
            until=until,
            unread=unread,
        )

    def _fitted(self, draft: int, until: int, unread: int, check: Callable[[], None]) -> DraftVectors | None:
        """The vectors of all images up to a number, with a projection of their own; None if there are none."""
        images = [image for page in self._pages(draft, 0, until) for image in page]
        chosen = np.random.default_rng(0).permutation(len(images))[:FITTED_MAX]
        sample, _ = self._features([images[index].sha256 for index in sorted(chosen.tolist())])
        if not len(sample):
            return None
        projection = Projection.fit(sample, len(images))
        del sample
        empty = DraftVectors(
            self._resources.extractor.key,
            projection,
            np.empty(0, np.int32),
            np.empty((0, projection.components.shape[1]), np.float16),
            until=0,
        )
        return self._appended(empty, images, until, unread, check)

    def _features(self, sha256s: Sequence[str]) -> tuple[NDArray[np.float16], NDArray[np.bool_]]:
        """The features of those of the images that have them, float16 [m, dimensions], and which these are, bool [n]."""
        features, found = self._resources.kept.read(sha256s, DEFAULT.views)
        return features[found], found

    def _stored(self, draft_id: str) -> DraftVectors | None:
        """The vectors that are stored; None if there are none, or those are of no use to this engine."""
        try:
            stored = DraftVectors.from_npz(self._resources.objects.get(vectors_key(draft_id)))
        except ObjectNotFound:
            return None
        except ArtifactError as error:
            _log.warning("the vectors of draft %s are computed again: %s", draft_id, error)
            return None
        return stored if stored.key == self._resources.extractor.key else None

    def _readable(self, reading: ImageReading) -> Iterator[ReadImage]:
        """The images that can be read. What is wrong with the others is logged, and how many they are is in the report."""
        while True:
            try:
                image = next(reading, None)
            except JobFailed as error:
                self._why = error.message
                _log.warning("an image of a draft gets no vector: %s", error.message)
                continue
            if image is None:
                return
            yield image
