"""Joins the label files of a source that has one for each of its splits, as train.json and test.json; and names the images of
its folder that no label file lists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from vision_customization.contract.enums import AnnotationKind
from vision_customization.customization.convert.labelled import LabelledImage, LabelledImages
from vision_customization.customization.convert.remarks import Effect, Remarks, What
from vision_customization.customization.convert.sources.splits import is_for_testing, split_reason
from vision_customization.customization.errors import ConversionFailed


def join_splits(splits: Mapping[str, tuple[Path, LabelledImages]]) -> LabelledImages:
    """The images of all files. Each is on the side of its file: for testing or for training.

    An image that several files list with the same labels counts once, in the first of them.

    Args:
        splits: `train`, `valid` or `test` → the file, and what was read from it.

    Raises:
        ConversionFailed: the files are of different kinds, or label an image differently.
    """
    testing = is_for_testing(splits)
    problems: list[str] = []
    remarks = Remarks()
    images: dict[Path, LabelledImage] = {}
    listed_in: dict[Path, Path] = {}
    for split, (file, read) in splits.items():
        remarks.note(What.FILE, split_reason(testing[split]), str(file))
        for image in read.images:
            known = images.setdefault(image.path, replace(image, testing=testing[split]))
            first = listed_in.setdefault(image.path, file)
            if first == file:
                continue
            if set(known.labels) != set(image.labels):
                problems.append(f"{image.path}: {first} and {file} label it differently")
            remarks.left_out(What.IMAGE, f"is in {first.name} already", f"{file}: {image.path.name}")
            for tag, _ in image.labels:
                remarks.left_out(
                    What.LABEL, f"is of an image that is in {first.name} already", f"{file}: {image.path.name}: {tag!r}"
                )
    kinds = {read.kind: file for file, read in splits.values() if any(image.labels for image in read.images)}
    if kinds.keys() == {AnnotationKind.IMAGE_CLASSIFICATION, AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION}:
        kinds.pop(AnnotationKind.IMAGE_CLASSIFICATION)
    if len(kinds) > 1:
        problems.append(f"the files are of different kinds: {', '.join(f'{file} is {kind}' for kind, file in kinds.items())}")
    if problems:
        raise ConversionFailed(problems)
    reads = [read for _, read in splits.values()]
    kind = next(iter(kinds), reads[0].kind)
    tags = tuple(dict.fromkeys(tag for read in reads for tag in read.tags))
    _take(remarks, reads, tags)
    counts = sum(read.images_read for read in reads), sum(read.labels_read for read in reads)
    return LabelledImages(kind, tags, tuple(images.values()), remarks.listed(), *counts)


def without_unlisted(images: LabelledImages, there: Iterable[Path]) -> LabelledImages:
    """The images, with a remark on each file that is `there` in the source's folder, but in no label file."""
    listed = {image.path.resolve() for image in images.images}
    remarks = Remarks()
    for path in there:
        if path.resolve() not in listed:
            remarks.sees(What.IMAGE)
            remarks.left_out(What.IMAGE, "is in no label file", str(path))
    counted = images.images_read + remarks.seen[What.IMAGE]
    return replace(images, remarks=images.remarks + remarks.listed(), images_read=counted)


def _take(remarks: Remarks, reads: Sequence[LabelledImages], tags: Sequence[str]) -> None:
    """Add the remarks on each file. A tag that has no label in one file may have one in another."""
    labelled = {repr(tag) for tag in tags}
    known = set()
    for remark in (remark for read in reads for remark in read.remarks):
        for place in remark.places:
            if remark.what is What.TAG and (
                (remark.effect is Effect.LEFT_OUT and place in labelled) or (remark.effect, remark.reason, place) in known
            ):
                continue
            known.add((remark.effect, remark.reason, place))
            remarks.add(remark.effect, remark.what, remark.reason, place)
