"""COCO annotation files as the engine reads them: several files become one list of images with their tags, or their boxes.

Less strict than the checker that users run first (`contract.coco.rules`): ids must be unique but may have gaps, as in
published COCO files. Files that a model could not be trained on are refused.
"""

from vision_customization.engine.annotations.classification import Annotations, TaggedImage, read_classification
from vision_customization.engine.annotations.detection import Box, BoxedAnnotations, BoxedImage, read_detection
from vision_customization.engine.annotations.files import AnnotationError, shown
from vision_customization.engine.annotations.multi_label import MultiLabelAnnotations, MultiTaggedImage, read_multi_label

__all__ = [
    "AnnotationError",
    "Annotations",
    "Box",
    "BoxedAnnotations",
    "BoxedImage",
    "MultiLabelAnnotations",
    "MultiTaggedImage",
    "TaggedImage",
    "read_classification",
    "read_detection",
    "read_multi_label",
    "shown",
]
