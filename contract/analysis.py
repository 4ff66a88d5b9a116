"""The result of an image analysis."""

from typing import Annotated, Any

from pydantic import Field

from vision_customization.contract.wire import RequestError, Wire


class AnalyzeUrl(Wire):
    """JSON body of `POST /imageanalysis:analyze`, and of `PUT /productrecognition/{modelName}/runs/{runName}`."""

    url: str


class Tag(Wire):
    """`threshold` is an extension, of multi-label classifiers only: the tag counts as present from this confidence on."""

    name: str
    confidence: float
    threshold: float | None = None


Pixels = Annotated[int, Field(ge=-(2**31), lt=2**31)]
"""int32, as in the contract."""


class BoundingBox(Wire):
    """Pixels of the submitted image."""

    x: Pixels
    y: Pixels
    w: Pixels
    h: Pixels


class DetectedObject(Wire):
    id: str
    bounding_box: BoundingBox
    tags: list[Tag]


class TagsResult(Wire):
    values: list[Tag]


class ObjectsResult(Wire):
    values: list[DetectedObject]


class ImageMetadata(Wire):
    width: Pixels
    height: Pixels


class ImageClassification(Wire):
    """What the first version calls a tag."""

    label: str
    confidence: float


class ClassifiedObject(Wire):
    """What the first version calls an object."""

    id: str
    bounding_box: BoundingBox
    classifications: list[ImageClassification]


class CustomModelResult(Wire):
    """`novelty` is an extension, of classifiers only: the share, 0…1, of training images that look less novel than this one.
    The last three are only in answers of the version 2023-02-01-preview."""

    tags_result: TagsResult | None = None
    objects_result: ObjectsResult | None = None
    novelty: float | None = None
    classifications: list[ImageClassification] | None = None
    objects: list[ClassifiedObject] | None = None
    image_metadata: ImageMetadata | None = None


PrebuiltResult = dict[str, Any]
"""A Vision resource's result for one of `features`. In the preview versions, `readResult` has their form."""


class ImageAnalysisResult(Wire):
    """`kind` is only in answers of the version 2023-02-01-preview with a custom model: `imageAnalysisResult`.
    `features_error` is an extension: the Vision resource's error, beside the result of a custom model of the same call."""

    kind: str | None = None
    custom_model_result: CustomModelResult | None = None
    caption_result: PrebuiltResult | None = None
    dense_captions_result: PrebuiltResult | None = None
    tags_result: PrebuiltResult | None = None
    objects_result: PrebuiltResult | None = None
    read_result: PrebuiltResult | None = None
    smart_crops_result: PrebuiltResult | None = None
    people_result: PrebuiltResult | None = None
    adult_result: PrebuiltResult | None = None
    features_error: RequestError | None = None
    model_version: str
    metadata: ImageMetadata
