"""COCO annotation files as the engine reads them: several files become one list of images with their tags, or their boxes.

Less strict than the checker that users run first (`contract.coco.rules`): ids must be unique but may have gaps, as in
published COCO files. Files that a model could not be trained on are refused.
"""

from vision_customization.engine.annotations.classification import Annotations, read_classification
from vision_customization.engine.annotations.detection import BoxedAnnotations, read_detection
from vision_customization.engine.annotations.files import AnnotationError, shown
from vision_customization.engine.annotations.images import Box, BoxedImage, LabelledImages, MultiTaggedImage, TaggedImage
from vision_customization.engine.annotations.multi_label import MultiLabelAnnotations, read_multi_label

__all__ = [
    "AnnotationError",
    "Annotations",
    "Box",
    "BoxedAnnotations",
    "BoxedImage",
    "LabelledImages",
    "MultiLabelAnnotations",
    "MultiTaggedImage",
    "TaggedImage",
    "read_classification",
    "read_detection",
    "read_multi_label",
    "shown",
]
