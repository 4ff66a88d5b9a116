"""Random datasets, written in each format and read back: the same images, tags and boxes, and nothing uncounted."""

import csv
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.customization.samples import encoded
from tests.support.ci import IN_CI
from vision_customization.contract.coco.rules import check_coco
from vision_customization.customization.convert import (
    Effect,
    LabelledImages,
    read_coco,
    read_csv,
    read_folders,
    read_voc,
    read_yolo,
    to_coco,
)

EXAMPLES = settings(max_examples=150 if IN_CI else 15, deadline=None)


@dataclass(frozen=True)
class Drawn:
    """An image, and its objects: a tag and left, top, right and bottom in pixels."""

    name: str
    size: tuple[int, int]
    objects: tuple[tuple[str, tuple[int, int, int, int]], ...]


Dataset = list[Drawn]

words = st.text(st.characters(categories=("L", "Nd"), exclude_characters="ıſ"), min_size=1, max_size=8)
tags = st.lists(words, min_size=1, max_size=2).map(" ".join)


@st.composite
def drawn(draw: st.DrawFn, name: str) -> Drawn:
    width, height = draw(st.integers(10, 60)), draw(st.integers(10, 60))
    objects = []
    for _ in range(draw(st.integers(0, 3))):
        left, top = draw(st.integers(0, width - 3)), draw(st.integers(0, height - 3))
        right, bottom = draw(st.integers(left + 2, width)), draw(st.integers(top + 2, height))
        objects.append((draw(tags), (left, top, right, bottom)))
    return Drawn(name, (width, height), tuple(objects))


@st.composite
def datasets(draw: st.DrawFn) -> Dataset:
    stems = draw(st.lists(words, min_size=1, max_size=4, unique_by=str.casefold))
    extensions = st.sampled_from(["jpg", "PNG", "jpeg"])
    folders = st.sampled_from(["", "a/", "b c/"])
    images = [draw(drawn(f"{draw(folders)}x{stem}.{draw(extensions)}")) for stem in stems]
    # A source without any label is refused.
    first = images[0] if images[0].objects else Drawn(images[0].name, images[0].size, (("fork", (2, 3, 9, 8)),))
    return [first, *images[1:]]


def images_of(dataset: Dataset, folder: Path) -> None:
    for seed, image in enumerate(dataset):
        path = folder / image.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(seed, image.size))


def as_voc(dataset: Dataset, root: Path) -> LabelledImages:
    images_of(dataset, root / "JPEGImages")
    for image in dataset:
        objects = "".join(
            f"<object><name>{escape(tag)}</name><bndbox><xmin>{left + 1}</xmin><ymin>{top + 1}</ymin>"
            f"<xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox></object>"
            for tag, (left, top, right, bottom) in image.objects
        )
        path = (root / "Annotations" / image.name).with_suffix(".xml")
        path.parent.mkdir(parents=True, exist_ok=True)
        size = f"<size><width>{image.size[0]}</width><height>{image.size[1]}</height></size>"
        name = escape(Path(image.name).name)
        path.write_text(f"<annotation><filename>{name}</filename>{size}{objects}</annotation>", "utf-8")
    return read_voc(root)


def as_yolo(dataset: Dataset, root: Path) -> LabelledImages:
    images_of(dataset, root / "images")
    names = sorted({tag for image in dataset for tag, _ in image.objects})
    (root / "data.yaml").write_text(json.dumps({"nc": len(names), "names": names}, ensure_ascii=False), "utf-8")
    for image in dataset:
        width, height = image.size
        lines = [
            f"{names.index(tag)} {(left + right) / 2 / width:.6f} {(top + bottom) / 2 / height:.6f} "
            f"{(right - left) / width:.6f} {(bottom - top) / height:.6f}"
            for tag, (left, top, right, bottom) in image.objects
        ]
        path = (root / "labels" / image.name).with_suffix(".txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines))
    return read_yolo(root)


def csv_writer(
    columns: list[str], fields: Callable[[Drawn, tuple[int, int, int, int]], list[object]]
) -> Callable[[Dataset, Path], LabelledImages]:
    def as_csv(dataset: Dataset, root: Path) -> LabelledImages:
        images_of(dataset, root)
        with (root / "labels.csv").open("w", encoding="utf-8-sig", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["filename", "label", *columns])
            for image in dataset:
                rows.writerows([image.name, tag, *fields(image, box)] for tag, box in image.objects)
                if not image.objects:
                    rows.writerow([image.name, "", *[""] * len(columns)])
        return read_csv(root / "labels.csv")

    return as_csv


def list_of(_: Drawn, box: tuple[int, int, int, int]) -> list[object]:
    left, top, right, bottom = box
    return [json.dumps([left, top, right - left, bottom - top])]


def centre_of(image: Drawn, box: tuple[int, int, int, int]) -> list[object]:
    left, top, right, bottom = box
    return [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top, *image.size]


def fractions_of(image: Drawn, box: tuple[int, int, int, int]) -> list[object]:
    return [round(edge / side, 6) for edge, side in zip(box, image.size * 2, strict=True)]


def coco_writer(
    fields: Callable[[Drawn, tuple[int, int, int, int]], dict[str, Any]], *, pixels: bool = True
) -> Callable[[Dataset, Path], LabelledImages]:
    def as_coco(dataset: Dataset, root: Path) -> LabelledImages:
        images_of(dataset, root)
        names = sorted({tag for image in dataset for tag, _ in image.objects}, reverse=True)
        entries = [
            {"id": 7 * index, "file_name": image.name, "width": image.size[0], "height": image.size[1]}
            for index, image in enumerate(dataset)
        ]
        annotations = [
            {"id": 0, "image_id": 7 * index, "category_id": f"c{names.index(tag)}", "iscrowd": 0, **fields(image, box)}
            for index, image in enumerate(dataset)
            for tag, box in image.objects
        ]
        categories = [{"id": f"c{index}", "name": name} for index, name in enumerate(names)]
        document = {"images": entries, "annotations": annotations, "categories": categories}
        (root / "l.json").write_text(json.dumps(document), "utf-8")
        return read_coco(root / "l.json", pixels=pixels)

    return as_coco


def bbox_of(_: Drawn, box: tuple[int, int, int, int]) -> dict[str, Any]:
    left, top, right, bottom = box
    return {"bbox": [left, top, right - left, bottom - top]}


def bbox_in_fractions(image: Drawn, box: tuple[int, int, int, int]) -> dict[str, Any]:
    left, top, right, bottom = (edge / side for edge, side in zip(box, image.size * 2, strict=True))
    return {"bbox": [left, top, right - left, bottom - top]}


def outline_of(_: Drawn, box: tuple[int, int, int, int]) -> dict[str, Any]:
    left, top, right, bottom = box
    return {"segmentation": [[left, top, right, top], [right, bottom, left, bottom, left, top]]}


def mask_of(image: Drawn, box: tuple[int, int, int, int]) -> dict[str, Any]:
    left, top, right, bottom = box
    width, height = image.size
    counts = [left * height + top]
    for _ in range(right - left):
        counts += [bottom - top, height - (bottom - top)]
    counts[-1] += width * height - sum(counts)
    return {"segmentation": {"size": [height, width], "counts": counts}}


FORMATS = {
    "voc": as_voc,
    "yolo": as_yolo,
    "csv corners": csv_writer(["xmin", "ymin", "xmax", "ymax"], lambda _, box: list(box)),
    "csv list": csv_writer(["bbox"], list_of),
    "csv centres": csv_writer(["x_center", "y_center", "w", "h", "width", "height"], centre_of),
    "csv fractions": csv_writer(["xmin", "ymin", "xmax", "ymax"], fractions_of),
    "coco": coco_writer(bbox_of),
    "coco fractions": coco_writer(bbox_in_fractions, pixels=False),
    "coco outlines": coco_writer(outline_of),
    "coco masks": coco_writer(mask_of),
}


@pytest.mark.parametrize("name", FORMATS)
def test_boxes_come_back_within_half_a_pixel(name: str) -> None:
    @EXAMPLES
    @given(datasets())
    def comes_back(dataset: Dataset) -> None:
        with tempfile.TemporaryDirectory() as folder:
            found = FORMATS[name](dataset, Path(folder))
            document = to_coco(found, Path(folder))
        read = {image.sha256: image for image in found.images}
        assert len(found.images) == len(dataset)
        assert not any(remark.effect is Effect.LEFT_OUT for remark in found.remarks), found.remarks
        assert (found.images_read, found.labels_read) == (len(dataset), sum(len(image.objects) for image in dataset))
        for image in dataset:
            [there] = [item for item in read.values() if item.path.name == Path(image.name).name]
            assert (there.width, there.height) == image.size
            assert sorted(tag for tag, _ in there.labels) == sorted(tag for tag, _ in image.objects)
            left_over = [(tag, box) for tag, box in there.labels if box is not None]
            for tag, box in image.objects:
                nearest = min(
                    (label for label in left_over if label[0] == tag), key=lambda label: distance(label[1], box, image)
                )
                assert distance(nearest[1], box, image) <= 0.5
                left_over.remove(nearest)
            assert not left_over
        _, violations = check_coco(document, "train.json", found.kind)
        assert not [violation for violation in violations if violation.severity == "error"]

    comes_back()


def distance(box: tuple[float, float, float, float], expected: tuple[int, int, int, int], image: Drawn) -> float:
    """The greatest distance of two edges, in pixels."""
    left, top, width, height = box
    edges = (left, top, left + width, top + height)
    return max(abs(edge * side - wanted) for edge, side, wanted in zip(edges, image.size * 2, expected, strict=True))


@EXAMPLES
@given(
    st.dictionaries(
        words.filter(lambda word: word.lower() not in ("test", "train", "val")), st.integers(1, 3), min_size=1, max_size=4
    )
)
def test_tags_of_folders_come_back(images: dict[str, int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for tag, count in images.items():
            (Path(folder) / tag).mkdir()
            for index in range(count):
                (Path(folder) / tag / f"{index}.png").write_bytes(encoded(index))
        found = read_folders(Path(folder))
    assert {tag: sum(image.labels == ((tag, None),) for image in found.images) for tag in found.tags} == images
    assert (found.images_read, found.labels_read) == (sum(images.values()),) * 2
    assert not any(remark.effect is Effect.LEFT_OUT for remark in found.remarks)
