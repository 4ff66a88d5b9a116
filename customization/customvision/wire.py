"""The JSON objects of Custom Vision's training API 3.x, with the fields that a move needs.

Their source is the published SDK, azure-cognitiveservices-vision-customvision 3.1.1 (`training.models`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BeforeValidator, Field, StringConstraints

from vision_customization.contract.wire import Wire

NEGATIVE = "Negative"
"""`type` of the tag of images that show none of the other tags, and the name that the portal gives it."""

MULTILABEL = "Multilabel"
OBJECT_DETECTION = "ObjectDetection"
COMPLETED = "Completed"

Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
"""A GUID. Files are named by it, so it must not be a path."""

Fraction = Annotated[float, Field(allow_inf_nan=False)]
"""Of the image's width or height, counted from its left upper corner."""


def _no_null(value: object) -> object:
    return () if value is None else value


class Region(Wire):
    tag_id: str | None = None
    tag_name: str | None = None
    left: Fraction
    top: Fraction
    width: Fraction
    height: Fraction


class ImageTag(Wire):
    tag_id: str | None = None
    tag_name: str | None = None


class Image(Wire):
    """An image of a project. `width` and `height` are pixels."""

    id: Id
    width: int | None = None
    height: int | None = None
    original_image_uri: str | None = None
    resized_image_uri: str | None = None
    tags: Annotated[tuple[ImageTag, ...], BeforeValidator(_no_null)] = ()
    regions: Annotated[tuple[Region, ...], BeforeValidator(_no_null)] = ()


class Tag(Wire):
    id: str
    name: str
    type: str | None = None
    image_count: int | None = None


class ProjectSettings(Wire):
    domain_id: str | None = None
    classification_type: str | None = None


class Project(Wire):
    id: Id
    name: str
    settings: ProjectSettings | None = None


class Domain(Wire):
    id: str
    name: str
    type: str


class Iteration(Wire):
    id: Id
    name: str
    status: str
    publish_name: str | None = None
    trained_at: datetime | None = None


class Metrics(Wire):
    precision: float | None = None
    recall: float | None = None
    average_precision: float | None = None


class TagPerformance(Metrics):
    name: str


class IterationPerformance(Metrics):
    per_tag_performance: Annotated[tuple[TagPerformance, ...], BeforeValidator(_no_null)] = ()


class BoundingBox(Wire):
    left: Fraction
    top: Fraction
    width: Fraction
    height: Fraction


class Prediction(Wire):
    probability: Fraction
    tag_name: str
    bounding_box: BoundingBox | None = None


class ImagePerformance(Wire):
    """The predictions that an iteration made for an image when Custom Vision evaluated it."""

    id: Id
    predictions: Annotated[tuple[Prediction, ...], BeforeValidator(_no_null)] = ()
