"""Processes the images of a plan, shard by shard: reads each and stores its derived data. Repeating a shard is harmless."""

import json
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import NotRequired, Self, TypedDict

from vision_customization.contract.errors import FailureCode
from vision_customization.engine.blobs.address import BlobAddress, BlobError
from vision_customization.engine.jobs.errors import JobFailed
from vision_customization.engine.jobs.images.image_cache import Keeping
from vision_customization.engine.jobs.images.plan import AnnotatedImage, Plan, Shard
from vision_customization.engine.jobs.images.reading import ImageReading, ReadImage
from vision_customization.engine.jobs.images.resources import Resources
from vision_customization.engine.jobs.steps.waiting import in_thread
from vision_customization.engine.objects.keys import job_key
from vision_customization.engine.store import BlobRecord

LOST = "Data derived from the images was lost or damaged during the job. Start it again: the data is rebuilt."

_CHUNK_IMAGES = 16
_CHUNK_BYTES = 128 * 1024 * 1024
_NOWHERE = Shard(-1, 0, 0)


class ShardDone(TypedDict):
    """A step's result for its shard. DBOS keeps it, so it is small: the derived data itself is stored as objects.
    `images_embedded` counts the images whose data was not stored before, `images_outdated` those of them with data of another
    version, which older engines did not count."""

    images_read: int
    images_embedded: int
    images_outdated: NotRequired[int]
    seconds: float


class Shards:
    """The images of one job. Shards come in the plan's order; images are read ahead of them.

    Args:
        keeping: derives and stores the images' data.
        job: names the job's objects.
        check: called often; raises JobCancelled if the job should stop.
        on_wait: called with the reason while blobs cannot be read yet, from the threads that read.
    """

    def __init__(
        self,
        resources: Resources,
        keeping: Keeping,
        job: str,
        plan: Plan,
        check: Callable[[], None],
        on_wait: Callable[[str], None] | None = None,
    ) -> None:
        self._resources = resources
        self._keeping = keeping
        self._job = job
        self._plan = plan
        self._check = check
        self._on_wait = on_wait
        self._reading: ImageReading | None = None
        self._next = _NOWHERE

    def close(self) -> None:
        if self._reading is not None:
            self._reading.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def keep(self, shard: Shard) -> ShardDone:
        """Make sure that the data of a shard's images is stored. Raises JobFailed, JobCancelled, SourceUnreachable."""
        started = time.monotonic()
        reading = self._reading_from(shard)
        # If this shard fails, its reading is abandoned: a second attempt must begin at the first image again.
        self._next = _NOWHERE
        digests: list[str] = []
        read = embedded = 0
        outdated_before = self._keeping.outdated
        for images in chunks(reading, shard.stop - shard.start, self._check):
            thumbnails = in_thread(partial(self._keep_thumbnails, images))  # beside the networks: blobs wait for the network
            embedded += self._keeping.add({image.record.sha256: image.pixels for image in images if image.pixels is not None})
            self._resources.store.known_blobs.remember(image.record for image in images if image.read and image.record.etag)
            thumbnails.result()
            digests += [image.record.sha256 for image in images]
            read += sum(image.read for image in images)
        self._resources.objects.put(_digests_key(self._job, shard), json.dumps(digests).encode(), durable=False)
        self._next = Shard(shard.part, shard.stop, shard.stop)
        outdated = self._keeping.outdated - outdated_before
        return ShardDone(
            images_read=read, images_embedded=embedded, images_outdated=outdated, seconds=time.monotonic() - started
        )

    def keep_again(self, part: int, shards: int, lost: Collection[str]) -> None:
        """Repeat those of the first `shards` shards of a part that have one of the `lost` images, by SHA-256."""
        for shard in self._of(part, shards):
            if not set(self._digests(shard)).isdisjoint(lost):
                self.keep(shard)

    def digests(self, part: int, shards: int) -> Iterator[tuple[AnnotatedImage, str]]:
        """The images of the first `shards` shards of a part with their SHA-256, in the plan's order."""
        images = self._plan.parts[part].images
        for shard in self._of(part, shards):
            yield from zip(images[shard.start : shard.stop], self._digests(shard), strict=True)

    def _of(self, part: int, shards: int) -> list[Shard]:
        return [shard for shard in self._plan.shards if shard.part == part][:shards]

    def _digests(self, shard: Shard) -> list[str]:
        """The digests of a shard's images, in its order. Raises JobFailed if the count differs: tags would be mixed up."""
        digests: list[str] = json.loads(self._resources.objects.get(_digests_key(self._job, shard)))
        if len(digests) != shard.stop - shard.start:
            raise JobFailed(FailureCode.UNKNOWN, LOST)
        return digests

    def _reading_from(self, shard: Shard) -> ImageReading:
        """The reading positioned at the shard's first image: the previous shard's, or a new one after a restart."""
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
            self._keeping,
            sides=part.sides,
            decoders=self._resources.decoders,
            check=self._check,
            on_wait=self._on_wait,
            thumbnails=self._resources.thumbnails,
        )
        return self._reading

    def _keep_thumbnails(self, images: Sequence[ReadImage]) -> None:
        made = {image.record.sha256: image.thumbnail for image in images if image.thumbnail is not None}
        if made and self._resources.thumbnails is not None:
            self._resources.thumbnails.put(made)

    def _known(self, urls: Sequence[str]) -> Mapping[str, BlobRecord]:
        bare = []
        for url in urls:
            with suppress(BlobError):  # reading it will raise the same error
                bare.append(BlobAddress.parse(url).url)
        return self._resources.store.known_blobs.at(bare)


def chunks(reading: Iterator[ReadImage], images: int, check: Callable[[], None]) -> Iterator[list[ReadImage]]:
    """The next `images` images, in chunks of the embedding's batch size, limited by memory."""
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
    return f"{job_key(job)}/digests-{shard.part}-{shard.start:07d}"
