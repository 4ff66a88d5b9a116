"""A detector's metrics by COCO's own evaluation, PyPI's `pycocotools`."""

import contextlib
import io
from collections.abc import Sequence

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from vision_customization.engine.learning.boxes import Detections, LabelledBoxes


def average_precisions(truths: Sequence[LabelledBoxes], detections: Sequence[Detections], classes: int) -> tuple[float, float]:
    """AP (the mean over intersection over union 0.50, 0.55 … 0.95) and AP50; 0 where COCO gives −1, for lack of objects.

    Args:
        truths: the objects of each image, in pixels.
        detections: the detections of each image, in the same order of images.
        classes: number of classes; labels are 0 … classes − 1.
    """
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(_dataset(truths, classes), _dataset(detections, classes), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return max(0.0, float(evaluation.stats[0])), max(0.0, float(evaluation.stats[1]))


def _dataset(images: Sequence[LabelledBoxes | Detections], classes: int) -> COCO:
    dataset = COCO()
    annotations = []
    for image, boxes in enumerate(images):
        scores = boxes.scores if isinstance(boxes, Detections) else np.ones(len(boxes))
        for (left, top, right, bottom), label, score in zip(boxes.corners.tolist(), boxes.labels, scores, strict=True):
            annotation = {"id": len(annotations) + 1, "image_id": image, "category_id": int(label), "score": float(score)}
            size = {"bbox": [left, top, right - left, bottom - top], "area": (right - left) * (bottom - top), "iscrowd": 0}
            annotations.append(annotation | size)
    dataset.dataset = {
        "images": [{"id": image} for image in range(len(images))],
        "categories": [{"id": index} for index in range(classes)],
        "annotations": annotations,
    }
    dataset.createIndex()
    return dataset
