"""From the images of a plan to features: one shard after the other, each of which may be done twice without harm."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Protocol, Self, TypedDict

import numpy as np
from numpy.typing import NDArray

from customization.contract import FailureCode
from engine.blob_address import BlobAddress, BlobError
from engine.blobs import BlobReader
from engine.jobs.errors import JobFailed
from engine.jobs.features import KeptFeatures
from engine.jobs.plan import Plan, Shard
from engine.jobs.reading import ImageReading, ReadImage
from engine.objects import ObjectStore
from engine.store import BlobRecord, Store

_CHUNK_IMAGES = 16
_CHUNK_BYTES = 128 * 1024 * 1024
_NOWHERE = Shard(-1, 0, 0)
_LOST = "Kept features were lost or damaged while the job ran. Start it again: they are computed anew."


class ShardDone(TypedDict):
    """What a step says of its shard. DBOS keeps it, so it is small: the features are objects."""

    images_read: int
    images_embedded: int
    seconds: float


class Extractor(Protocol):
    """What turns pixels into features: `learning.FeatureExtractor`."""

    @property
    def key(self) -> str: ...

    @property
    def dimensions(self) -> int: ...

    def extract(self, images: Sequence[NDArray[np.uint8]]) -> Sequence[NDArray[np.float32]]: ...


@dataclass(frozen=True)
class Resources:
    """What all jobs of a worker share."""

    store: Store
    objects: ObjectStore
    reader: BlobReader
    extractor: Extractor
    kept: KeptFeatures
    decoders: int
    workers: int = 1
    """How many workers share the machine's memory."""


class Embedding:
    """The images of one job on their way to features. Shards come in the plan's order; images are read ahead of them.

    Args:
        job: names the job's objects.
        check: called often; raises JobCancelled where the job should stop.
    """

    def __init__(self, resources: Resources, job: str, plan: Plan, check: Callable[[], None]) -> None:
        self._resources = resources
        self._job = job
        self._plan = plan
        self._check = check
        self._reading: ImageReading | None = None
        self._next = _NOWHERE

    def close(self) -> None:
        if self._reading is not None:
            self._reading.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def embed(self, shard: Shard) -> ShardDone:
        """See that the features of a shard's images are kept. Raises JobFailed, JobCancelled, SourceUnreachable."""
        started = time.monotonic()
        reading = self._reading_from(shard)
        # Unless this shard ends, nobody goes on with this reading: a second attempt must begin at the first image again.
        self._next = _NOWHERE
        digests: list[str] = []
        read = embedded = 0
        for images in _chunks(reading, shard.stop - shard.start, self._check):
            embedded += self._embed([image for image in images if image.pixels is not None])
            self._resources.store.remember_blobs(image.record for image in images if image.read and image.record.etag)
            digests += [image.record.sha256 for image in images]
            read += sum(image.read for image in images)
        self._resources.objects.put(_digests_key(self._job, shard), json.dumps(digests).encode(), durable=False)
        self._next = Shard(shard.part, shard.stop, shard.stop)
        return ShardDone(images_read=read, images_embedded=embedded, seconds=time.monotonic() - started)

    def features(self, part: int, shards: int) -> tuple[NDArray[np.float32], NDArray[np.int64], list[str]]:
        """The first `shards` shards of a part: features float32 [n, d], tags int64 [n] and digests of their images.

        The order is that of tag and digest, and does not depend on how the annotation files are sorted.
        """
        mine = [shard for shard in self._plan.shards if shard.part == part][:shards]
        images = self._plan.parts[part].images
        entries = sorted(
            (images[shard.start + offset].tag, digest) for shard in mine for offset, digest in enumerate(self._digests(shard))
        )
        features = np.empty((len(entries), self._resources.extractor.dimensions), np.float32)
        for row, kept in enumerate(self._resources.kept.get([digest for _, digest in entries])):
            if kept is None:
                raise JobFailed(FailureCode.UNKNOWN, _LOST)
            features[row] = kept
        return features, np.array([tag for tag, _ in entries], np.int64), [digest for _, digest in entries]

    def _embed(self, images: Sequence[ReadImage]) -> int:
        """Keep the features of images that have none yet; how many that were."""
        by_digest = {image.record.sha256: image.pixels for image in images if image.pixels is not None}
        kept = self._resources.kept.get(list(by_digest))
        missing = {digest: pixels for (digest, pixels), found in zip(by_digest.items(), kept, strict=True) if found is None}
        extracted = self._resources.extractor.extract(list(missing.values()))
        self._resources.kept.put(dict(zip(missing, extracted, strict=True)))
        return len(missing)

    def _digests(self, shard: Shard) -> list[str]:
        """Of a shard's images, in its order. Raises JobFailed where they are not as many: tags would go to other images."""
        digests: list[str] = json.loads(self._resources.objects.get(_digests_key(self._job, shard)))
        if len(digests) != shard.stop - shard.start:
            raise JobFailed(FailureCode.UNKNOWN, _LOST)
        return digests

    def _reading_from(self, shard: Shard) -> ImageReading:
        """The reading that stands at the shard's first image: the last shard's, or a new one after a restart."""
        if self._reading is not None and (shard.part, shard.start) == (self._next.part, self._next.start):
            return self._reading
        self.close()
        part = self._plan.parts[shard.part]
        images = part.images[shard.start :]
        self._reading = ImageReading(
            images,
            self._resources.reader,
            part.access,
            self._known([image.url for image in images]),
            self._resources.kept,
            sides=part.sides,
            decoders=self._resources.decoders,
            check=self._check,
        )
        return self._reading

    def _known(self, urls: Sequence[str]) -> Mapping[str, BlobRecord]:
        bare = []
        for url in urls:
            with suppress(BlobError):  # who reads it will say what is wrong with it
                bare.append(BlobAddress.parse(url).url)
        return self._resources.store.blobs(bare)


def _chunks(reading: ImageReading, images: int, check: Callable[[], None]) -> Iterator[list[ReadImage]]:
    """The next `images` images, as many at a time as are embedded at once, and no more than memory is meant for."""
    chunk: list[ReadImage] = []
    for image in islice(reading, images):
        chunk.append(image)
        if len(chunk) == _CHUNK_IMAGES or sum(_pixel_bytes(image) for image in chunk) >= _CHUNK_BYTES:
            check()
            yield chunk
            chunk = []
    check()
    if chunk:
        yield chunk


def _pixel_bytes(image: ReadImage) -> int:
    return 0 if image.pixels is None else image.pixels.nbytes


def _digests_key(job: str, shard: Shard) -> str:
    return f"jobs/{job}/digests-{shard.part}-{shard.start:07d}"
