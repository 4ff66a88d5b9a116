"""The plan of a job: its images, their order, and how to read them.

The first step makes it once from the annotation files. From then on, the job needs neither these files nor the dataset, which
may be changed or deleted meanwhile. The plan is stored encrypted, because it contains the dataset's SAS token.
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain, zip_longest
from typing import Any, TypeVar

from pydantic import SecretStr

from vision_customization.engine.annotations import Box, BoxedImage, MultiTaggedImage, TaggedImage
from vision_customization.engine.blobs.access import Access
from vision_customization.engine.blobs.address import without_query
from vision_customization.engine.objects.keys import job_key
from vision_customization.engine.objects.store import ObjectStore
from vision_customization.engine.outcomes.outcomes import ImageName
from vision_customization.engine.store.cipher import TokenCipher

SHARD_IMAGES = 32
"""Images of a shard of a small dataset: the most that is done again after a process has died."""
_SHARD_IMAGES_MAX = 512
_SHARDS = 64
"""A larger dataset has about so many shards, until they have _SHARD_IMAGES_MAX images: enough to occupy 32 workers until the
end, and few enough for the queues."""


def shard_images(images: int) -> int:
    """How many images each shard of a dataset of this size has, but for the last."""
    return min(_SHARD_IMAGES_MAX, max(SHARD_IMAGES, images // _SHARDS))


AnnotatedImage = TaggedImage | MultiTaggedImage | BoxedImage
"""An image of a dataset for classification, for multi-label classification, or for detection. A part has images of one kind
only."""


def named(image: AnnotatedImage, sha256: str) -> ImageName:
    """How outcomes name an image of this digest."""
    return ImageName(without_query(image.url), image.file_name, sha256)


@dataclass(frozen=True, slots=True)
class Part:
    """The images of one dataset, and the side lengths in pixels that they may have. `files` are the URIs of its annotation
    files, each with the SHA-256 of the file in hex; a plan that an older engine made has none."""

    dataset: str
    tags: tuple[str, ...]
    images: tuple[AnnotatedImage, ...]
    access: Access
    sides: tuple[int, int]
    files: dict[str, str] = field(default_factory=dict)

    @property
    def boxed(self) -> bool:
        """Whether it is for detection. Every part has at least one image."""
        return isinstance(self.images[0], BoxedImage)

    @property
    def multi_label(self) -> bool:
        """Whether its images have any number of tags."""
        return isinstance(self.images[0], MultiTaggedImage)


@dataclass(frozen=True, slots=True)
class Shard:
    """Images `start` to `stop` of one part: a piece of the job."""

    part: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Plan:
    """`parts` are the training images and, with a test dataset, the test images. An evaluation has only the test images."""

    parts: tuple[Part, ...]

    @property
    def shards(self) -> tuple[Shard, ...]:
        return tuple(chain.from_iterable(self._shards_of(index) for index in range(len(self.parts))))

    @property
    def images(self) -> int:
        return sum(len(part.images) for part in self.parts)

    def _shards_of(self, part: int) -> Iterator[Shard]:
        images = len(self.parts[part].images)
        size = shard_images(images)
        for start in range(0, images, size):
            yield Shard(part, start, min(start + size, images))


Tagged = TypeVar("Tagged", TaggedImage, MultiTaggedImage)


def interleaved(images: Sequence[Tagged]) -> tuple[Tagged, ...]:
    """Images in an order in which any first part has each tag about equally often: if the time budget ends the reading, the
    images read so far are still good to learn from. An image of several tags counts for the rarest of them."""
    frequency = Counter(tag for image in images for tag in _tags_of(image))
    by_tag: defaultdict[int, list[Tagged]] = defaultdict(list)
    for image in images:
        by_tag[min(_tags_of(image), key=lambda tag: (frequency[tag], tag), default=-1)].append(image)
    rounds = zip_longest(*(by_tag[tag] for tag in sorted(by_tag)))
    return tuple(image for image in chain.from_iterable(rounds) if image is not None)


def _tags_of(image: TaggedImage | MultiTaggedImage) -> tuple[int, ...]:
    return image.tags if isinstance(image, MultiTaggedImage) else (image.tag,)


def shuffled(images: Sequence[BoxedImage]) -> tuple[BoxedImage, ...]:
    """Images in an arbitrary order that their addresses decide, so that any first part is a fair sample."""
    return tuple(sorted(images, key=lambda image: hashlib.sha256(image.url.encode()).digest()))


class Plans:
    """Plans by job, encrypted."""

    def __init__(self, objects: ObjectStore, cipher: TokenCipher) -> None:
        self._objects = objects
        self._cipher = cipher

    def put(self, job: str, plan: Plan) -> None:
        parts = [
            {**asdict(part), "access": {**asdict(part.access), "sas": part.access.sas and part.access.sas.get_secret_value()}}
            for part in plan.parts
        ]
        self._objects.put(_key(job), self._cipher.encrypt(SecretStr(json.dumps(parts))).encode())

    def get(self, job: str) -> Plan:
        """Raises ObjectNotFound."""
        parts = json.loads(self._cipher.decrypt(self._objects.get(_key(job)).decode()).get_secret_value())
        return Plan(tuple(_part(part) for part in parts))


def _part(entry: dict[str, object]) -> Part:
    access, images = entry["access"], entry["images"]
    assert isinstance(access, dict)
    assert isinstance(images, list)
    sas = SecretStr(access["sas"]) if access["sas"] else None
    return Part(
        dataset=str(entry["dataset"]),
        tags=tuple(entry["tags"]),  # type: ignore[arg-type]
        images=tuple(_image(image) for image in images),
        access=Access(sas, access["identity"], tuple(access["scopes"])),
        sides=tuple(entry["sides"]),  # type: ignore[arg-type]
        files=dict(entry.get("files") or {}),  # type: ignore[call-overload]
    )


def _image(entry: dict[str, Any]) -> AnnotatedImage:
    if "boxes" in entry:
        return BoxedImage(**{**entry, "boxes": tuple(Box(**box) for box in entry["boxes"])})
    if "tags" in entry:
        return MultiTaggedImage(**{**entry, "tags": tuple(entry["tags"])})
    return TaggedImage(**entry)


def _key(job: str) -> str:
    return f"{job_key(job)}/plan"
