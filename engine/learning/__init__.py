"""Learning: from pixels to features, from features to a classifier, from a classifier to one ONNX file.

Nothing here knows of HTTP, databases or storage.
"""

from engine.learning.artifact import ClassifierSession, export_classifier, read_classifier
from engine.learning.backbones import ensure_weights
from engine.learning.classifier import Classifier
from engine.learning.detection_metrics import (
    coco_mean_average_precision,
    coco_mean_average_precision50,
    detection_performance,
    precision_recall_curves,
)
from engine.learning.errors import ArtifactError, ImageError, LearningError, WeightsError
from engine.learning.features import FeatureExtractor
from engine.learning.images import DecodedImage, decode_image
from engine.learning.metrics import classification_performance
from engine.learning.training import ClassifierTraining, train_classifier

__all__ = [
    "ArtifactError",
    "Classifier",
    "ClassifierSession",
    "ClassifierTraining",
    "DecodedImage",
    "FeatureExtractor",
    "ImageError",
    "LearningError",
    "WeightsError",
    "classification_performance",
    "coco_mean_average_precision",
    "coco_mean_average_precision50",
    "decode_image",
    "detection_performance",
    "ensure_weights",
    "export_classifier",
    "precision_recall_curves",
    "read_classifier",
    "train_classifier",
]
