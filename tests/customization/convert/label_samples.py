"""Label files made on the spot: an image `1.jpg` of 200 × 100 pixels, with one box or tag."""

import json
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.customization.samples import encoded
from vision_customization.contract.coco.document import Box
from vision_customization.customization.convert import LabelledImages, read_coco, read_csv

SIZE = (200, 100)
FORK: Box = (0.1, 0.2, 0.3, 0.4)
"""Pixels 20, 20 to 80, 60 of an image of 200 × 100."""
NFC, NFD = (unicodedata.normalize(form, "Löffel") for form in ("NFC", "NFD"))

Read = Callable[[Path], LabelledImages]


def csv(root: Path) -> LabelledImages:
    return read_csv(root / "l.csv")


def csv_of_photos(root: Path) -> LabelledImages:
    return read_csv(root / "l.csv", root / "photos")


def coco(root: Path) -> LabelledImages:
    return read_coco(root / "l.json")


def coco_of_photos(root: Path) -> LabelledImages:
    return read_coco(root / "l.json", root / "photos")


def coco_fractions(root: Path) -> LabelledImages:
    return read_coco(root / "l.json", pixels=False)


def write(root: Path, images: str, files: dict[str, str | bytes]) -> None:
    for seed, name in enumerate(images.split()):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(encoded(seed, SIZE, "JPEG"))
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(text.encode() if isinstance(text, str) else text)


def voc(box: str = "21 21 80 60", name: str = "1.jpg", tag: str = "fork", more: str = "") -> str:
    edges = "".join(
        f"<{edge}>{value}</{edge}>" for edge, value in zip(("xmin", "ymin", "xmax", "ymax"), box.split(), strict=True)
    )
    return (
        f"<annotation><filename>{name}</filename><object><name>{tag}</name><bndbox>{edges}</bndbox>{more}</object></annotation>"
    )


def coco_text(annotation: dict[str, Any] | None = None, **sections: Any) -> str:  # noqa: ANN401
    """One image, one annotation. A value of `annotation` replaces that of the example; None removes it."""
    example = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [20, 20, 60, 40], **(annotation or {})}
    document: dict[str, Any] = {
        "images": [{"id": 1, "file_name": "1.jpg", "width": 200, "height": 100}],
        "categories": [{"id": 1, "name": "fork"}],
        "annotations": [{key: value for key, value in example.items() if value is not None}],
        **sections,
    }
    return json.dumps(document)


def image_named(name: str, id_: object = 1) -> list[dict[str, object]]:
    return [{"id": id_, "file_name": name}]


RLE = {"size": [100, 200], "counts": [2020, *[40, 60] * 59, 40, 12000 - 20 - 60 + 60 - 40]}
"""A rectangle of columns 20 to 80, rows 20 to 60."""
RLE["counts"][-1] = 20_000 - sum(RLE["counts"][:-1])

YOLO_LINE = "0 0.25 0.4 0.3 0.4"
CSV_ROW = "1.jpg,fork,20,20,80,60"
