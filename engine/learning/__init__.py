"""Learning: from pixels to features, from features to a classifier, from a classifier to one ONNX file.

This package does not know about HTTP, databases or storage.
"""

from vision_customization.engine.learning.classification.artifact import ClassifierSession, export_classifier, read_classifier
from vision_customization.engine.learning.classification.classifier import Classifier
from vision_customization.engine.learning.classification.features import FeatureExtractor
from vision_customization.engine.learning.classification.metrics import classification_performance
from vision_customization.engine.learning.classification.training import TrainedClassifier, train_classifier
from vision_customization.engine.learning.detection.metrics import (
    detection_performance,
    precision_recall_curves,
)
from vision_customization.engine.learning.errors import ArtifactError, ImageError, LearningError, WeightsError
from vision_customization.engine.learning.images import DecodedImage, decode_image
from vision_customization.engine.learning.multi_label.metrics import multi_label_performance
from vision_customization.engine.learning.multi_label.training import TrainedMultiLabel, train_multi_label
from vision_customization.engine.learning.pretrained.backbones import ensure_weights

__all__ = [
    "ArtifactError",
    "Classifier",
    "ClassifierSession",
    "DecodedImage",
    "FeatureExtractor",
    "ImageError",
    "LearningError",
    "TrainedClassifier",
    "TrainedMultiLabel",
    "WeightsError",
    "classification_performance",
    "decode_image",
    "detection_performance",
    "ensure_weights",
    "export_classifier",
    "multi_label_performance",
    "precision_recall_curves",
    "read_classifier",
    "train_classifier",
    "train_multi_label",
]
