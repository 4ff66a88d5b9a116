"""COCO files as Vision Studio and Azure Machine Learning export them are read as they are."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.customization.samples import encoded
from vision_customization.customization.convert import read_coco

VISION_STUDIO = {
    "images": [
        {
            "id": 1,
            "width": 64,
            "height": 48,
            "file_name": "photos/1.png",
            "absolute_url": "https://me.blob.core.windows.net/c/photos/1.png",
        }
    ],
    "annotations": [{"id": 1, "category_id": 1, "image_id": 1, "area": 0.1, "bbox": [0.25, 0.5, 0.5, 0.2]}],
    "categories": [{"id": 1, "name": "dog"}],
}
MACHINE_LEARNING = {
    "images": [
        {
            "id": 1,
            "width": 64.0,
            "height": 48.0,
            "file_name": "photos/1.png",
            "coco_url": "AmlDatastore://workspaceblobstore/photos/1.png",
            "absolute_url": "https://me.blob.core.windows.net/c/photos/1.png",
            "date_captured": "2026-01-02T03:04:05.678Z",
        }
    ],
    "annotations": [
        {
            "segmentation": [[0.25, 0.5, 0.75, 0.5, 0.75, 0.7, 0.25, 0.7]],
            "id": 1,
            "category_id": 1,
            "image_id": 1,
            "area": 0.1,
            "bbox": [0.25, 0.5, 0.5, 0.2],
        }
    ],
    "categories": [{"id": 1, "name": "dog"}],
}
TAGS_ONLY = {**MACHINE_LEARNING, "annotations": [{"segmentation": [], "id": 1, "category_id": 1, "image_id": 1, "area": 0.0}]}


@pytest.mark.parametrize(
    ("document", "kind", "label"),
    [
        (VISION_STUDIO, "imageObjectDetection", ("dog", (0.25, 0.5, 0.5, 0.2))),
        (MACHINE_LEARNING, "imageObjectDetection", ("dog", (0.25, 0.5, 0.5, 0.2))),
        (TAGS_ONLY, "imageClassification", ("dog", None)),
    ],
    ids=["Vision Studio", "Azure ML", "Azure ML, tags only"],
)
def test_it_is_read(tmp_path: Path, document: dict[str, Any], kind: str, label: tuple[str, Any]) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "1.png").write_bytes(encoded())
    (tmp_path / "export.json").write_text(json.dumps(document))
    labelled = read_coco(tmp_path / "export.json", None, pixels=False)
    assert labelled.kind == kind
    assert [image.labels for image in labelled.images] == [(label,)]
    assert labelled.remarks == ()
