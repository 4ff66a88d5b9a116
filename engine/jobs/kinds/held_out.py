"""Selects the images that a detector's training holds out for evaluation."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from vision_customization.engine.annotations import BoxedImage
from vision_customization.engine.jobs.images.shards import Shards

_HELD_OUT_SHARE = 6
_HELD_OUT_FROM = 12
_HELD_OUT_MOST = 100

BoxedDigest = tuple[BoxedImage, str]
"""An image, and the SHA-256 under which its picture is stored."""


@dataclass(frozen=True)
class LearningImages:
    """All training images, split into those that the first phase learns from and those held out. Also the images for measuring
    the progress, from which the first phase does not learn."""

    training: Sequence[BoxedDigest]
    first: Sequence[BoxedDigest]
    held_out: Sequence[BoxedDigest]
    validation: Sequence[BoxedDigest]

    @classmethod
    def split(cls, training: Sequence[BoxedDigest], tests: Sequence[BoxedDigest] | None, validated: int) -> "LearningImages":
        """Hold images out if there is no test dataset; `validated` of them, or of the test images, measure the progress."""
        held = held_out(training) if tests is None else frozenset()
        kept_back = [training[index] for index in sorted(held)]
        first = [image for index, image in enumerate(training) if index not in held]
        return cls(training, first, kept_back, (kept_back if tests is None else tests)[:validated])


def boxed(shards: Shards, part: int, count: int) -> list[BoxedDigest]:
    """The images of the first `count` shards of a part with their SHA-256, sorted by it."""
    images = []
    for image, digest in shards.digests(part, count):
        assert isinstance(image, BoxedImage)
        images.append((image, digest))
    return sorted(images, key=lambda pair: (pair[1], pair[0].url))


def held_out(images: Sequence[BoxedDigest]) -> frozenset[int]:
    """Which images are held out: a sixth of them, if there are enough. Each tag keeps most of its boxes in training. Of the
    images without a box, at most a sixth is held out, to count false detections."""
    if len(images) < _HELD_OUT_FROM:
        return frozenset()
    total = Counter(box.label for image, _ in images for box in image.boxes)
    left = total.copy()
    empty_left = sum(not image.boxes for image, _ in images) // _HELD_OUT_SHARE
    held: set[int] = set()
    for index, (image, _) in enumerate(images):
        if len(held) >= min(len(images) // _HELD_OUT_SHARE, _HELD_OUT_MOST):
            break
        here = Counter(box.label for box in image.boxes)
        if not here:
            if empty_left:
                empty_left -= 1
                held.add(index)
        elif all(left[label] - count >= max(1, 2 * total[label] / 3) for label, count in here.items()):
            left -= here
            held.add(index)
    return frozenset(held) if left != total else frozenset()
