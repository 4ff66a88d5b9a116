"""SageMaker Ground Truth and Rekognition Custom Labels: a manifest, a JSON object per line. Boxes are in pixels from 0.

https://docs.aws.amazon.com/sagemaker/latest/dg/sms-data-output.html
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vision_customization.contract.coco.boxes import shown_as_json
from vision_customization.customization.convert.labelled import FoundImage, LabelledImages, PixelBox, Progress
from vision_customization.customization.convert.readers.annotations import (
    Annotations,
    add_tags,
    json_lines,
    numbers,
    objects,
    size_in,
    tags_in,
)
from vision_customization.customization.convert.remarks import What
from vision_customization.customization.datasets.digest_cache import DigestCache

METADATA = "-metadata"

Job = tuple[str, str, object, dict[str, Any]]
"""The name of a labelling job, its type, its labels for one image, and their metadata."""


def read_ground_truth(
    path: Path, images: Path | None = None, cache: DigestCache | None = None, on_progress: Progress | None = None
) -> LabelledImages:
    """Read images for object detection if a job of type `groundtruth/object-detection` has labelled any of them; else for
    classification. Images that no job has labelled are left out.

    Args:
        images: the folder of the images, by default the file's folder. An image is found by as much of the end of its
            `source-ref` as exists there.

    Raises:
        ConversionFailed
    """
    found = Annotations(path, images or path.parent)
    for place, entry in json_lines(path, found.problems):
        found.remarks.sees(What.IMAGE)
        found.remarks.sees(
            What.LABEL, sum(_count(entry.get(key.removesuffix(METADATA))) for key in entry if _is_job(key, entry))
        )
        address = entry.get("source-ref")
        if not isinstance(address, str):
            found.problems.append(f"{place}: has no source-ref, the S3 address of an image")
            continue
        jobs = list(_jobs(entry, place, found))
        if not jobs:
            found.remarks.left_out(What.IMAGE, "no labelling job has labelled it", place)
            continue
        detections = [name for name, kind, _, _ in jobs if kind == "object-detection"]
        if len(detections) > 1:
            found.problems.append(
                f"{place}: has the boxes of several labelling jobs, {' and '.join(detections)}. Keep those of one"
            )
            continue
        item = found.image(address, place)
        for name, kind, labels, metadata in jobs if item is not None else ():
            try:
                _read(kind, labels, metadata, f"{place}: {name}", item, found)  # type: ignore[arg-type]
            except ValueError as error:
                found.problems.append(f"{place}: {name}: {error}")
    return found.finished(cache, on_progress)


def _jobs(entry: dict[str, Any], place: str, found: Annotations) -> Iterator[Job]:
    """Each job that has labelled the image, and whose labels can be converted."""
    for key, metadata in entry.items():
        if not _is_job(key, entry):
            continue
        name = key.removesuffix(METADATA)
        kind = str(metadata.get("type", "")).removeprefix("groundtruth/")
        if "failure-reason" in metadata or name not in entry:
            for _ in range(_count(entry.get(name))):
                found.remarks.left_out(What.LABEL, "its labelling job failed", f"{place}: {name}")
        elif kind in ("object-detection", "image-classification", "image-classification-multilabel"):
            yield name, kind, entry[name], metadata
        else:
            for _ in range(_count(entry[name])):
                found.remarks.left_out(What.LABEL, f"labels of the type {kind!r}, which has no box", f"{place}: {name}")


def _is_job(key: str, entry: dict[str, Any]) -> bool:
    return key.endswith(METADATA) and isinstance(entry[key], dict)


def _count(labels: object) -> int:
    """How many labels of an image a job has made: boxes, class numbers, or one class or mask."""
    if isinstance(labels, dict):
        labels = labels.get("annotations", labels)
    return len(labels) if isinstance(labels, list) else 1


def _read(kind: str, labels: object, metadata: dict[str, Any], place: str, item: FoundImage, found: Annotations) -> None:
    """Add the labels of a job. Raises ValueError."""
    if kind == "image-classification":
        add_tags(item, _name(metadata.get("class-name")), place)
        return
    names = metadata.get("class-map")
    names = names if isinstance(names, dict) else {}
    if kind == "image-classification-multilabel":
        if not isinstance(labels, list):
            raise ValueError("must be a list of class numbers")
        for number in labels:
            add_tags(item, _class(number, names), place)
        return
    if not isinstance(labels, dict):
        raise ValueError("must have `annotations`")  # noqa: TRY004 - a fault of the file
    for _, size in objects(labels.get("image_size"), f"{place}: image_size", found.problems):
        item.claimed = size_in(size)
    for where, box in objects(labels.get("annotations"), f"{place}: annotations", found.problems):
        try:
            left, top, width, height = numbers(box, "left", "top", "width", "height")
            tags = _class(box.get("class_id"), names)
        except ValueError as error:
            found.problems.append(f"{where}: {error}")
        else:
            found.add_box(item, tags, PixelBox(left, top, left + width, top + height), where, None)


def _class(number: object, names: dict[str, Any]) -> list[str]:
    """Raises ValueError."""
    if str(number) not in names:
        raise ValueError(f"class {number!r} is not in the class-map of its metadata")
    return _name(names[str(number)])


def _name(value: object) -> list[str]:
    """The name of a class. Raises ValueError."""
    if not isinstance(value, str):
        raise ValueError(f"{shown_as_json(value)} is not the name of a class")  # noqa: TRY004 - a fault of the file
    return tags_in(value)
