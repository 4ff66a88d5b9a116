"""The contract's limits."""

from dataclasses import dataclass

from vision_customization.contract.enums import AnnotationKind, Purpose

API_VERSIONS = ("2023-02-01-preview", "2023-04-01-preview")
API_VERSION = API_VERSIONS[-1]

NAME_PATTERN = r"^[a-zA-Z0-9][a-zA-Z0-9._-]*$"
NAME_MAX_LENGTH = 255
NAME_DIGEST_LENGTH = 8
"""Hex digits of the digest in a model's or evaluation's name, after the declared name and a dash."""
DECLARED_NAME_MAX_LENGTH = NAME_MAX_LENGTH - 1 - NAME_DIGEST_LENGTH
"""The maximum length of a name to which such a digest is added."""

PAGE_DEFAULT = 10
PAGE_MAX = 30
SKIP_MAX = 2**31 - 1

IMAGE_BYTES_MAX = 20 * 1024 * 1024
"""The maximum size of an image file, for training or analysis."""
IMAGE_PIXELS_MAX = 178_956_970
"""Of an image, whatever its sides: the limit that Pillow has against decompression bombs."""
WEBP_PIXELS_MAX = 64 * 1024 * 1024
"""A WebP file is decoded in four buffers of its full size, 16 bytes per pixel; other formats take at most half of that."""
IMAGE_SIDE_ANALYZE_PX = (50, 16_000)
"""Minimum and maximum side of an image to analyze, in pixels."""

ANNOTATION_FILES_MAX = 10
CUSTOM_PROPERTIES_MAX = 10
BOXES_PER_IMAGE_MAX = 1000

TILES_MAX = 4
"""The maximum of a training's `tiles`, an extension of the contract."""
NOVEL = 0.98
"""An image of this `novelty` or more, an extension of the contract, is unlike what the classifier was trained for."""


@dataclass(frozen=True, slots=True)
class DatasetLimits:
    """The limits of a dataset of one kind and purpose. Sides are in pixels, inclusive.

    A detection tag needs one annotation, although the service's FAQ asks for two to train a detector: the same kind of dataset
    trains a product recognizer, for which one is enough.
    """

    annotations_per_tag_min: int
    images_max: int
    side_min: int
    side_max: int
    categories_min: int
    categories_max: int
    images_without_tag_min: int = 0
    """How many images must lack a tag: a multi-label model can't learn a tag that is on every image."""


DATASET_LIMITS: dict[tuple[str, str], DatasetLimits] = {
    (AnnotationKind.IMAGE_CLASSIFICATION, Purpose.TRAINING): DatasetLimits(2, 1_000_000, 10, 10_240, 2, 2_500),
    (AnnotationKind.IMAGE_CLASSIFICATION, Purpose.EVALUATION): DatasetLimits(1, 100_000, 50, 16_000, 2, 2_500),
    (AnnotationKind.IMAGE_OBJECT_DETECTION, Purpose.TRAINING): DatasetLimits(1, 200_000, 10, 10_240, 1, 1_000),
    (AnnotationKind.IMAGE_OBJECT_DETECTION, Purpose.EVALUATION): DatasetLimits(1, 100_000, 50, 16_000, 1, 1_000),
    (AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION, Purpose.TRAINING): DatasetLimits(2, 1_000_000, 10, 10_240, 1, 2_500, 2),
    (AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION, Purpose.EVALUATION): DatasetLimits(1, 100_000, 50, 16_000, 1, 2_500),
}
