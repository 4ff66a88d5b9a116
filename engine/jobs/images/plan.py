"""The plan of a job: its images, their order, and how to read them.

The first step makes it once from the annotation files. From then on, the job needs neither these files nor the dataset, which
may be changed or deleted meanwhile.
"""

import hashlib
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, zip_longest
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from vision_customization.engine.annotations import BoxedImage, LabelledImages, MultiTaggedImage, TaggedImage
from vision_customization.engine.blobs.access import Access
from vision_customization.engine.blobs.address import without_query
from vision_customization.engine.outcomes.outcomes import ImageName

SHARD_IMAGES = 32
"""Images of a shard of a small dataset: the most that is done again after a process has died."""
_LARGE, _SHARD_IMAGES_OF_LARGE = 4096, 64
"""From so many images on, shards have twice as many images. They are not larger, because a small training that starts beside a
large one waits until a shard of that has ended."""


def shard_images(images: int) -> int:
    """How many images each shard of a dataset of this size has, but for the last."""
    return SHARD_IMAGES if images < _LARGE else _SHARD_IMAGES_OF_LARGE


AnnotatedImage = TaggedImage | MultiTaggedImage | BoxedImage
"""An image of a dataset for classification, for multi-label classification, or for detection. A part has images of one kind
only."""

Image = TypeVar("Image", TaggedImage, MultiTaggedImage, BoxedImage)
Tagged = TypeVar("Tagged", TaggedImage, MultiTaggedImage)


def named(image: AnnotatedImage, sha256: str) -> ImageName:
    """How outcomes name an image of this digest."""
    return ImageName(without_query(image.url), image.file_name, sha256)


@dataclass(frozen=True, slots=True)
class Part:
    """The images of one dataset, and the side lengths in pixels that they may have. `files` are the URIs of its annotation
    files, each with the SHA-256 of the file in hex."""

    dataset: str
    tags: tuple[str, ...]
    images: Sequence[AnnotatedImage]
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

    def shard(self, part: int, index: int) -> Shard:
        """Shard number `index` of a part. Raises IndexError if the part has fewer."""
        images = len(self.parts[part].images)
        start = index * shard_images(images)
        if not 0 <= start < images:
            raise IndexError(f"part {part} has no shard {index}")
        return Shard(part, start, min(start + shard_images(images), images))

    @property
    def images(self) -> int:
        return sum(len(part.images) for part in self.parts)

    def _shards_of(self, part: int) -> Iterator[Shard]:
        images = len(self.parts[part].images)
        for index in range(-(-images // shard_images(images))):
            yield self.shard(part, index)


def interleaved(images: Sequence[Tagged]) -> Sequence[Tagged]:
    """Images in an order in which any first part has each tag about equally often: if the time budget ends the reading, the
    images read so far are still good to learn from. An image of several tags counts for the rarest of them."""
    frequency = Counter(chain.from_iterable(labels_of(images)))
    by_tag: defaultdict[int, array[int]] = defaultdict(lambda: array("q"))
    for position, tags in enumerate(labels_of(images)):
        by_tag[min(tags, key=lambda tag: (frequency[tag], tag), default=-1)].append(position)
    rounds = zip_longest(*(by_tag[tag] for tag in sorted(by_tag)))
    order = (position for position in chain.from_iterable(rounds) if position is not None)
    return _in_order(images, np.fromiter(order, np.int64, len(images)))


def shuffled(images: Sequence[BoxedImage]) -> Sequence[BoxedImage]:
    """Images in an arbitrary order that their addresses decide, so that any first part is a fair sample."""
    digests = np.fromiter((hashlib.sha256(image.url.encode()).digest() for image in images), "S32", len(images))
    return _in_order(images, np.argsort(digests, kind="stable"))


def labels_of(images: Sequence[AnnotatedImage]) -> Iterator[Sequence[int]]:
    """The labels of each image: one for each tag or box."""
    if isinstance(images, LabelledImages):
        return images.labels()
    return map(_labels_of, images)


def renumbered(images: Sequence[AnnotatedImage], numbers: Sequence[int]) -> Sequence[AnnotatedImage]:
    """The images with `numbers[label]` instead of each label."""
    if isinstance(images, LabelledImages):
        return images.renumbered(numbers)
    return tuple(_renumbered(image, numbers) for image in images)


def _in_order(images: Sequence[Image], order: NDArray[np.int64]) -> Sequence[Image]:
    if isinstance(images, LabelledImages):
        return images.in_order(order)
    return tuple(images[position] for position in order.tolist())


def _labels_of(image: AnnotatedImage) -> Sequence[int]:
    if isinstance(image, TaggedImage):
        return (image.tag,)
    return image.tags if isinstance(image, MultiTaggedImage) else [box.label for box in image.boxes]


def _renumbered(image: AnnotatedImage, numbers: Sequence[int]) -> AnnotatedImage:
    if isinstance(image, TaggedImage):
        return replace(image, tag=numbers[image.tag])
    if isinstance(image, MultiTaggedImage):
        return replace(image, tags=tuple(sorted(numbers[tag] for tag in image.tags)))
    return replace(image, boxes=tuple(replace(box, label=numbers[box.label]) for box in image.boxes))
