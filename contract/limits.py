"""Limits of the contract, each of them once."""

from dataclasses import dataclass

from vision_customization.contract.enums import AnnotationKind, Purpose

API_VERSIONS = ("2023-02-01-preview", "2023-04-01-preview")
API_VERSION = API_VERSIONS[-1]

NAME_PATTERN = r"^[a-zA-Z0-9][a-zA-Z0-9._-]*$"
NAME_MAX_LENGTH = 255
NAME_DIGEST_LENGTH = 8
"""Hex digits of a digest, which follow a declared name and a dash in the name of a model or an evaluation."""
DECLARED_NAME_MAX_LENGTH = NAME_MAX_LENGTH - 1 - NAME_DIGEST_LENGTH
"""Of a name that such a digest follows."""

PAGE_DEFAULT = 10
PAGE_MAX = 30
SKIP_MAX = 2**31 - 1

IMAGE_BYTES_MAX = 20 * 1024 * 1024
"""Of an image file, to train on or to analyze."""
IMAGE_SIDE_ANALYZE_PX = (50, 16_000)
"""Least and greatest side of an image to analyze, in pixels."""

ANNOTATION_FILES_MAX = 10
CUSTOM_PROPERTIES_MAX = 10
BOXES_PER_IMAGE_MAX = 1000

TILES_MAX = 4
"""The most `tiles` of a training, an extension of the contract."""


@dataclass(frozen=True, slots=True)
class DatasetLimits:
    """What a dataset of one kind and purpose may hold. Sides are in pixels, both ends allowed.

    A detection tag needs one annotation, although the service's FAQ asks for two to train a detector: the same kind of dataset
    trains a product recognizer, for which one is enough.
    """

    annotations_per_tag_min: int
    images_max: int
    side_min: int
    side_max: int
    categories_min: int
    categories_max: int


DATASET_LIMITS: dict[tuple[str, str], DatasetLimits] = {
    (AnnotationKind.IMAGE_CLASSIFICATION, Purpose.TRAINING): DatasetLimits(2, 1_000_000, 10, 10_240, 2, 2_500),
    (AnnotationKind.IMAGE_CLASSIFICATION, Purpose.EVALUATION): DatasetLimits(1, 100_000, 50, 16_000, 2, 2_500),
    (AnnotationKind.IMAGE_OBJECT_DETECTION, Purpose.TRAINING): DatasetLimits(1, 200_000, 10, 10_240, 1, 1_000),
    (AnnotationKind.IMAGE_OBJECT_DETECTION, Purpose.EVALUATION): DatasetLimits(1, 100_000, 50, 16_000, 1, 1_000),
}
