"""Product recognition runs, and planograms: which product should be where on a shelf, and which one is."""

from typing import Annotated

from pydantic import Field

from vision_customization.contract.analysis import DetectedObject, ImageMetadata
from vision_customization.contract.enums import RunStatus
from vision_customization.contract.wire import ErrorDetails, Timestamp, Wire

_LENGTH_MAX = 1e9


class ProductRecognitionResult(Wire):
    """The products and gaps on a shelf. A product may have several tags, the most confident first."""

    image_metadata: ImageMetadata
    products: list[DetectedObject]
    gaps: list[DetectedObject] = Field(default_factory=list)


class ProductRecognitionRun(Wire):
    run_name: str
    model_name: str
    created_date_time: Timestamp
    updated_date_time: Timestamp
    status: RunStatus
    result: ProductRecognitionResult | None = None
    error: ErrorDetails | None = None


Coordinate = Annotated[float, Field(allow_inf_nan=False, ge=-_LENGTH_MAX, le=_LENGTH_MAX)]


Length = Annotated[float, Field(allow_inf_nan=False, gt=0, le=_LENGTH_MAX)]
"""A planogram's lengths, in its own units; bounded so that arithmetic stays finite."""


class PlanogramProduct(Wire):
    """A product: its name, which is a tag, and its size."""

    id: str
    name: str
    w: Length
    h: Length


class PlanogramFixture(Wire):
    """A shelf, or another fixture that products stand on."""

    id: str
    w: Length
    h: Length
    x: Coordinate
    y: Coordinate


class PlanogramPosition(Wire):
    """The place of a product: its upper left corner, relative to the planogram's."""

    id: str
    product_id: str
    fixture_id: str
    x: Coordinate
    y: Coordinate


class Planogram(Wire):
    """Which product should be where. All lengths have the same unit; the origin is the upper left corner."""

    width: Length
    height: Length
    products: list[PlanogramProduct]
    fixtures: list[PlanogramFixture]
    positions: list[PlanogramPosition]


class PlanogramMatch(Wire):
    """Body of `POST /planogramcompliance:match`."""

    detected_products: ProductRecognitionResult
    planogram: Planogram


class MatchedPosition(Wire):
    position_id: str
    detected_object: DetectedObject | None = None


class PlanogramMatchResult(Wire):
    """The positions at which the expected product was found."""

    matching_result_per_position: list[MatchedPosition]
