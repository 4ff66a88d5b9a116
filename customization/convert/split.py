"""Splitting labelled images into a training set and a test set."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Container, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vision_customization.customization.convert.labelled import LabelledImage, LabelledImages
from vision_customization.customization.convert.remarks import Remarks, What

TRAINING_MIN = 2
"""A classifier needs this many training images per tag; the split leaves at least as many, if the tag has more."""


@dataclass(frozen=True)
class FormerParts:
    """The image files of an earlier split. They stay in their set: otherwise two models would be evaluated on different images,
    perhaps including training images of the other model."""

    training: frozenset[Path] = frozenset()
    testing: frozenset[Path] = frozenset()

    @classmethod
    def read(cls, folder: Path) -> FormerParts:
        """The images in `train.json` and `test.json` of the folder; empty unless both exist and are readable."""
        try:
            return cls(*(files_named(folder, json.loads((folder / name).read_bytes())) for name in ("train.json", "test.json")))
        except (OSError, ValueError, LookupError, TypeError):
            return cls()

    def tests(self, images: LabelledImages) -> bool:
        """Whether any of the images is in the test set."""
        return bool(_contents(images, self.testing))


def files_named(folder: Path, document: Any) -> frozenset[Path]:  # noqa: ANN401 - whatever JSON holds
    """The image files of a COCO document in `folder`. Raises ValueError, LookupError or TypeError if it is not COCO."""
    return frozenset((folder / image["file_name"]).resolve() for image in document["images"])


def split(
    images: LabelledImages, test_share: float, seed: int = 0, former: FormerParts | None = None
) -> tuple[LabelledImages, LabelledImages]:
    """Split the images: the first result is for training, the second for testing.

    The same images, share and seed give the same split, independent of file order and names. Each tag is split by the share
    as closely as its number of images allows. Identical images stay together: no test image is also a training image.

    Args:
        test_share: 0…1, of each tag's images.
        former: an earlier split: its images stay where they were, and the new images fill up the share.
    """
    groups: defaultdict[str, list[LabelledImage]] = defaultdict(list)
    for image in images.images:
        groups[image.sha256].append(image)
    by_tag: defaultdict[str | None, list[str]] = defaultdict(list)
    for sha256 in sorted(groups, key=lambda sha256: hashlib.sha256(f"{seed}:{sha256}".encode()).digest()):
        for tag in _tags(groups[sha256]):
            by_tag[tag].append(sha256)

    former = former or FormerParts()
    trained = _contents(images, former.training)
    test = _contents(images, former.testing) - trained
    decided = test | trained
    in_test = Counter(tag for sha256 in test for tag in _tags(groups[sha256]))
    # Rare tags come first: their images count for the common tags, too.
    for tag in sorted(by_tag, key=lambda tag: (len(by_tag[tag]), tag or "")):
        wanted = _test_count(len(by_tag[tag]), test_share)
        for sha256 in by_tag[tag]:
            if sha256 in decided:
                continue
            decided.add(sha256)
            if in_test[tag] < wanted:
                test.add(sha256)
                in_test.update(_tags(groups[sha256]))
    return _parts(images, test)


def split_as_given(images: LabelledImages) -> tuple[LabelledImages, LabelledImages]:
    """Split the images as their source does: the first result is for training, the second for testing.

    An image of which the source has copies on both sides is for training only.
    """
    return _parts(
        images, {image.sha256 for image in images.images} - {image.sha256 for image in images.images if not image.testing}
    )


def _test_count(images: int, share: float) -> int:
    """How many of a tag's images are for testing: at least one if two remain for training."""
    if share <= 0:
        return 0
    most = max(0, images - TRAINING_MIN) if images > TRAINING_MIN else 0
    return min(max(1, round(share * images)), most)


def _contents(images: LabelledImages, files: frozenset[Path]) -> set[str]:
    return {image.sha256 for image in images.images if files and image.path.resolve() in files}


def _tags(copies: Iterable[LabelledImage]) -> set[str | None]:
    return {tag for image in copies for tag, _ in image.labels} or {None}


def _parts(images: LabelledImages, test: Container[str]) -> tuple[LabelledImages, LabelledImages]:
    """Images for training, and those whose contents are for testing. Both parts keep all tags, so that a tag has the same id in
    both. Remarks name the images that are on the other side in their source."""
    remarks = Remarks()
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
