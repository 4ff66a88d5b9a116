"""Splitting labelled images into a training set and a test set."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace

from vision_customization.contract.texts import counted
from vision_customization.customization.convert.former import FormerParts
from vision_customization.customization.convert.labelled import LabelledImage, LabelledImages
from vision_customization.customization.convert.remarks import Remarks, What

TRAINING_MIN = 2
"""A classifier needs this many training images per tag; the split leaves at least as many, if the tag has more."""

Group = tuple[str, ...]
"""The SHA-256 of images that stay together, sorted."""


def split(
    images: LabelledImages,
    test_share: float,
    seed: int = 0,
    former: FormerParts | None = None,
    alike: Iterable[Sequence[str]] = (),
) -> tuple[LabelledImages, LabelledImages]:
    """Split the images: the first result is for training, the second for testing.

    The same images, share and seed give the same split, independent of file order and names. Each tag is split by the share
    as closely as its groups of near-duplicates allow. Identical images and near-duplicates stay together: no test image is
    also a training image.

    Args:
        test_share: 0…1, of each tag's images.
        former: an earlier split: its images stay where they were, and the new images fill up the share. Near-duplicates that
            it has on both sides are split again.
        alike: groups of near-duplicates, by the SHA-256 of the images.
    """
    copies: defaultdict[str, list[LabelledImage]] = defaultdict(list)
    for image in images.images:
        copies[image.sha256].append(image)
    near = [tuple(sorted(group)) for group in alike]
    group_of = {sha256: (sha256,) for sha256 in copies} | {sha256: group for group in near for sha256 in group}
    sizes: dict[Group, Counter[str | None]] = {}
    by_tag: defaultdict[str | None, list[Group]] = defaultdict(list)
    # The order of the groups, and so the split, depends on their contents alone.
    for group in sorted(set(group_of.values()), key=lambda group: hashlib.sha256(f"{seed}:{group[0]}".encode()).digest()):
        sizes[group] = Counter(tag for sha256 in group for tag in _tags(copies[sha256]))
        for tag in sizes[group]:
            by_tag[tag].append(group)

    former = former or FormerParts()
    trained, tested = former.sides(images)
    separated = {group for group in near if trained.intersection(group) and tested.intersection(group)}
    test = {group for group in sizes if tested.intersection(group)} - separated
    decided = test | {group for group in sizes if trained.intersection(group)} - separated
    in_test, totals = Counter[str | None](), Counter[str | None]()
    for group, size in sizes.items():
        totals.update(size)
        in_test.update(size if group in test else ())
    # Rare tags come first: their images count for the common tags, too.
    for tag in sorted(by_tag, key=lambda tag: (totals[tag], tag or "")):
        undecided = [group for group in by_tag[tag] if group not in decided]
        decided.update(undecided)
        sized = [(group, sizes[group][tag]) for group in undecided]
        for group in _for_testing(sized, totals[tag], in_test[tag], _test_count(totals[tag], test_share)):
            test.add(group)
            in_test.update(sizes[group])

    remarks = _remarks(copies, near, separated)
    for tag in images.tags:
        if tag not in by_tag or in_test[tag] or test_share <= 0:
            continue
        if not _test_count(totals[tag], test_share):
            remarks.warn(What.TAG, f"has no test image: it has {TRAINING_MIN} images or fewer", repr(tag))
        elif len(by_tag[tag]) < totals[tag]:
            remarks.warn(What.TAG, "has no test image: nearly all of its images are near-duplicates", repr(tag))
    return _parts(images, {sha256 for group in test for sha256 in group}, remarks)


def _for_testing(groups: Iterable[tuple[Group, int]], total: int, in_test: int, wanted: int) -> list[Group]:
    """Of groups with their numbers of images, in turn: those to test with, so that as close to `wanted` of a tag's images are
    for testing as whole groups allow, but at least one group if two images remain for training.

    Args:
        total: how many images the tag has.
        in_test: how many of them are for testing already.
    """
    chosen, larger = [], []
    for group, size in groups:
        if size <= wanted - in_test:
            in_test += size
            chosen.append(group)
        else:
            larger.append((size, group))
    if larger and in_test < wanted:
        size, group = min(larger)
        closer = in_test + size - wanted < wanted - in_test
        if (closer or not in_test) and total - in_test - size >= TRAINING_MIN:
            chosen.append(group)
    return chosen


def _remarks(copies: Mapping[str, Sequence[LabelledImage]], near: Sequence[Group], separated: Container[Group]) -> Remarks:
    """On the images that stay together, and on those that an earlier split `separated`."""
    remarks = Remarks()
    together = f"in {counted(len(near), 'group')} of near-duplicates stay together"
    for number, group in enumerate(near, start=1):
        for image in (image for sha256 in group for image in copies[sha256]):
            remarks.note(What.IMAGE, together, f"{image.path} (group {number})")
            if group in separated:
                reason = "had near-duplicates on the other side of the earlier split, so its group was split again"
                remarks.changed(What.IMAGE, reason, str(image.path))
    return remarks


def split_as_given(images: LabelledImages, alike: Iterable[Sequence[str]] = ()) -> tuple[LabelledImages, LabelledImages]:
    """Split the images as their source does: the first result is for training, the second for testing.

    An image of which the source has copies on both sides is for training only. Near-duplicates stay where they are, with a
    warning if they are on both sides.

    Args:
        alike: groups of near-duplicates, by the SHA-256 of the images.
    """
    paths = {image.sha256: image.path for image in images.images}
    trained = {image.sha256 for image in images.images if not image.testing}
    test = set(paths) - trained
    remarks = Remarks()
    for group in alike:
        for sha256 in sorted(test.intersection(group)):
            if other := min(trained.intersection(group), default=None):
                reason = "is for testing, but nearly the same picture is for training: split again with --test-share"
                remarks.warn(What.IMAGE, reason, f"{paths[sha256]} (like {paths[other]})")
    return _parts(images, test, remarks)


def _test_count(images: int, share: float) -> int:
    """How many of a tag's images are for testing: at least one if two remain for training."""
    if share <= 0:
        return 0
    most = max(0, images - TRAINING_MIN) if images > TRAINING_MIN else 0
    return min(max(1, round(share * images)), most)


def _tags(copies: Iterable[LabelledImage]) -> set[str | None]:
    return {tag for image in copies for tag, _ in image.labels} or {None}


def _parts(images: LabelledImages, test: Container[str], remarks: Remarks) -> tuple[LabelledImages, LabelledImages]:
    """Images for training, and those whose contents are for testing. Both parts keep all tags, so that a tag has the same id in
    both. Further remarks name the images that are on the other side in their source."""
    for image in images.images if images.is_split else ():
        testing = image.sha256 in test
        if image.testing is not None and image.testing != testing:
            sides = ("training", "testing") if testing else ("testing", "training")
            remarks.changed(What.IMAGE, f"is for {sides[0]} in the source, but now for {sides[1]}", str(image.path))
    whole = replace(images, remarks=images.remarks + remarks.listed())
    return (
        replace(whole, images=tuple(image for image in images.images if image.sha256 not in test)),
        replace(whole, images=tuple(image for image in images.images if image.sha256 in test)),
    )
