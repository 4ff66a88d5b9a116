"""Selects the images that a detector's training holds out for evaluation."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vision_customization.common.near_duplicates import groups, near_pairs
from vision_customization.engine.annotations import BoxedImage
from vision_customization.engine.jobs.images.shards import Shards

_HELD_OUT_SHARE = 6
_HELD_OUT_FROM = 12
_HELD_OUT_MOST = 100

BoxedDigest = tuple[BoxedImage, str]
"""An image, and the SHA-256 under which its picture is stored."""


@dataclass(frozen=True)
class LearningImages:
    """All training images, split into those that the first phase learns from and those held out, which are in `groups` of
    near-duplicates. Also the images for measuring the progress, from which the first phase does not learn."""

    training: Sequence[BoxedDigest]
    first: Sequence[BoxedDigest]
    held_out: Sequence[BoxedDigest]
    validation: Sequence[BoxedDigest]
    groups: int = 0

    @classmethod
    def split(
        cls,
        training: Sequence[BoxedDigest],
        tests: Sequence[BoxedDigest] | None,
        validated: int,
        miniature_of: Callable[[str], bytes],
    ) -> "LearningImages":
        """Hold images out if there is no test dataset; `validated` of them, or of the test images, measure the progress.

        Args:
            miniature_of: gives the miniature (`common.miniatures`) of the image with a SHA-256.
        """
        if tests is not None:
            return cls(training, training, (), tests[:validated])
        groups: list[list[int]] = []
        if len(training) >= _HELD_OUT_FROM:
            groups = groups_of([digest for _, digest in training], miniature_of)
        held = held_out(training, groups)
        kept_back = [training[index] for index in sorted(held)]
        first = [image for index, image in enumerate(training) if index not in held]
        return cls(training, first, kept_back, kept_back[:validated], sum(group[0] in held for group in groups))


def groups_of(sha256s: Sequence[str], miniature_of: Callable[[str], bytes]) -> list[list[int]]:
    """The positions of the images that are equal or nearly so, each once, in the order of their first."""
    distinct = sorted(set(sha256s))
    group_of = {sha256: place for place, sha256 in enumerate(distinct)}
    for members in groups(near_pairs([miniature_of(sha256) for sha256 in distinct])):
        group_of.update((distinct[member], members[0]) for member in members)
    by_group: dict[int, list[int]] = {}
    for index, sha256 in enumerate(sha256s):
        by_group.setdefault(group_of[sha256], []).append(index)
    return list(by_group.values())


def boxed(shards: Shards, part: int, count: int) -> list[BoxedDigest]:
    """The images of the first `count` shards of a part with their SHA-256, sorted by it."""
    images = []
    for image, digest in shards.digests(part, count):
        assert isinstance(image, BoxedImage)
        images.append((image, digest))
    return sorted(images, key=lambda pair: (pair[1], pair[0].url))


def held_out(images: Sequence[BoxedDigest], groups: Sequence[Sequence[int]]) -> frozenset[int]:
    """Which images are held out: a sixth of them, if there are enough. Each tag keeps most of its boxes in training. Of the
    images without a box, at most a sixth is held out, to count false detections. Near-duplicates, as `groups_of` gives them,
    are held out together."""
    if len(images) < _HELD_OUT_FROM:
        return frozenset()
    total = Counter(box.label for image, _ in images for box in image.boxes)
    left = total.copy()
    empty_left = sum(not image.boxes for image, _ in images) // _HELD_OUT_SHARE
    most = min(len(images) // _HELD_OUT_SHARE, _HELD_OUT_MOST)
    held: set[int] = set()
    for members in groups:
        if len(held) >= most:
            break
        here = Counter(box.label for index in members for box in images[index][0].boxes)
        empty = sum(not images[index][0].boxes for index in members)
        keeps = all(left[label] - count >= max(1, 2 * total[label] / 3) for label, count in here.items())
        if keeps and empty <= empty_left and len(held) + len(members) <= most:
            left -= here
            empty_left -= empty
            held.update(members)
    return frozenset(held) if left != total else frozenset()
