"""One folder per tag: `hemlock/1.jpg`, `cherry/2.jpg`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from vision_customization.contract.enums import AnnotationKind
from vision_customization.customization.convert.labelled import FoundImage, LabelledImages, Progress, finish
from vision_customization.customization.convert.remarks import Remarks, What
from vision_customization.customization.convert.sources.source_files import image_files, inner_folders
from vision_customization.customization.convert.sources.splits import is_for_testing, split_of, split_reason
from vision_customization.customization.datasets.digest_cache import DigestCache
from vision_customization.customization.errors import ConversionFailed


def read_folders(source: Path, cache: DigestCache | None = None, on_progress: Progress | None = None) -> LabelledImages:
    """Read images for classification. A folder's name is the tag of every image in it and in its subfolders.

    If every folder is called `train`, `valid` or `test` (or alike), and holds folders of its own, these are the tags', and the
    source is already split.

    Raises:
        ConversionFailed
    """
    if not source.is_dir():
        raise ConversionFailed([f"{source}: is not a folder"])
    remarks = Remarks()
    problems: list[str] = []
    found: list[FoundImage] = []
    inner = {path: path.relative_to(source).parts for path in image_files(source, remarks)}
    for what in (What.IMAGE, What.LABEL):  # the folder of each image is its label
        remarks.sees(what, len(inner))
    splits = _splits(source, inner.values(), problems, remarks)
    testing = is_for_testing(splits.values())
    for name, split in sorted(splits.items()):
        remarks.note(What.FOLDER, split_reason(testing[split]), str(source / name))
    for path, parts in inner.items():
        item = FoundImage(path, str(path))
        if splits and len(parts) > 2:
            item.testing = testing[splits[parts[0]]]
            item.add(parts[1], None, str(path))
        elif len(parts) > 1:
            item.add(parts[0], None, str(path))
        else:
            problems.append(f"{path}: is not in a tag's folder")
        found.append(item)
    tags = {tag for item in found for tag, _, _ in item.labels}
    for folder in [source / split for split in splits] or [source]:
        for tag_folder in inner_folders(folder):
            if not any(path.is_relative_to(tag_folder) for path in inner):
                remarks.left_out(What.FOLDER, "has no image", str(tag_folder))
    return finish(AnnotationKind.IMAGE_CLASSIFICATION, sorted(tags), found, problems, cache, on_progress, remarks)


def _splits(source: Path, inner: Iterable[tuple[str, ...]], problems: list[str], remarks: Remarks) -> Mapping[str, str]:
    """The split that each folder of `source` holds; empty if its folders are those of tags."""
    inside = [parts for parts in inner if len(parts) > 1]
    splits = {parts[0]: split for parts in inside if (split := split_of(parts[0])) is not None}
    others = sorted({parts[0] for parts in inside} - splits.keys())
    names = ", ".join(repr(name) for name in sorted(splits))
    if len(splits) == 1 and others:
        remarks.warn(
            What.TAG, "is called like a split of a dataset, but is taken as a tag, as the folders beside it are", names
        )
        return {}
    if splits and others:
        advice = f"Move {others[0]!r} and the like away, or convert {source / min(splits)} alone"
        problems.append(
            f"{source}: the folders {names} look like splits of a dataset, but {others[0]!r} is beside them. {advice}"
        )
        return {}
    untagged = next((source.joinpath(*parts) for parts in inside if len(parts) == 2), None)
    if splits and untagged is not None:
        problems.append(
            f"{untagged}: {names} look like splits of a dataset, but this image is in none of the folders of tags in them. "
            f"Move each image to {untagged.parent}/TAG, or, if {names} are the tags, rename the folders"
        )
        return {}
    return splits
