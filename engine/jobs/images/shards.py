"""Processes the images of a plan, shard by shard: reads each and stores its derived data. Repeating a shard is harmless."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from itertools import islice
from typing import TypedDict

from vision_customization.contract.errors import FailureCode
from vision_customization.engine.blobs.address import BlobAddress, BlobError
from vision_customization.engine.jobs.errors import JobFailed
from vision_customization.engine.jobs.images.image_cache import Keeping
from vision_customization.engine.jobs.images.plan import AnnotatedImage, Plan, Shard
from vision_customization.engine.jobs.images.reading import ImageReading, ReadImage
from vision_customization.engine.jobs.images.resources import Resources
from vision_customization.engine.jobs.steps.waiting import CHECK_SECONDS, in_thread
from vision_customization.engine.objects.keys import job_key
from vision_customization.engine.store import BlobRecord

LOST = "Data derived from the images was lost or damaged during the job. Start it again: the data is rebuilt."

_CHUNK_IMAGES = 16
_CHUNK_BYTES = 128 * 1024 * 1024


class ShardDone(TypedDict):
    """A shard's result. DBOS keeps it, so it is small: the derived data itself is stored as objects.
    `images_embedded` counts the images whose data was not stored before, `images_outdated` those of them with data of another
    version. `seconds` is the shard's part of the worker's time."""

    images_read: int
    images_embedded: int
    images_outdated: int
    seconds: float


class Shards:
    """The images of one job.

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

    def keep(self, shard: Shard) -> ShardDone:
        """Make sure that the data of a shard's images is stored. Raises JobFailed, JobCancelled, SourceUnreachable."""
        digests: list[str] = []
        read = embedded = 0
        outdated_before = self._keeping.outdated
        with self._resources.clock.measuring() as taken:
            with closing(self._reading(shard)) as reading:
                for images in chunks(reading, shard.stop - shard.start, self._check):
                    thumbnails = in_thread(partial(self._keep_thumbnails, images))  # beside the networks: blobs are waited for
                    new = {image.record.sha256: image.pixels for image in images if image.pixels is not None}
                    if new:
                        with self._computing():
                            embedded += self._keeping.add(new)
                    self._resources.store.known_blobs.remember(
                        image.record for image in images if image.read and image.record.etag
                    )
                    thumbnails.result()
                    digests += [image.record.sha256 for image in images]
                    read += sum(image.read for image in images)
            self._resources.objects.put(digests_key(self._job, shard), json.dumps(digests).encode(), durable=False)
        outdated = self._keeping.outdated - outdated_before
        return ShardDone(images_read=read, images_embedded=embedded, images_outdated=outdated, seconds=taken.seconds)

    @contextmanager
    def _computing(self) -> Iterator[None]:
        """The worker's cores: one shard computes with all of them while the others read."""
        cores = self._resources.cores
        while not cores.acquire(timeout=CHECK_SECONDS):
            self._check()
        try:
            yield
        finally:
            cores.release()

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
        digests: list[str] = json.loads(self._resources.objects.get(digests_key(self._job, shard)))
        if len(digests) != shard.stop - shard.start:
            raise JobFailed(FailureCode.UNKNOWN, LOST)
        return digests

    def _reading(self, shard: Shard) -> ImageReading:
        part = self._plan.parts[shard.part]
        images = part.images[shard.start : shard.stop]
        return ImageReading(
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


def digests_key(job: str, shard: Shard) -> str:
    return f"{job_key(job)}/digests-{shard.part}-{shard.start:07d}"
