"""Product recognition runs; and planograms: what should stand where on a shelf, and what does."""

from typing import Annotated

from pydantic import Field

from vision_customization.contract.analysis import DetectedObject, ImageMetadata
from vision_customization.contract.enums import RunStatus
from vision_customization.contract.wire import ErrorDetails, Timestamp, Wire

_LENGTH_MAX = 1e9


class ProductRecognitionResult(Wire):
    """What stands on a shelf, and where nothing does. A product may have several tags, the most confident first."""

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
"""Of a planogram, in its own units: far more than a shelf has of any, and little enough to compute with."""


class PlanogramProduct(Wire):
    """A product by its name, which is a tag's, and its size."""

    id: str
    name: str
    w: Length
    h: Length


class PlanogramFixture(Wire):
    """A shelf, or what else products stand on."""

    id: str
    w: Length
    h: Length
    x: Coordinate
    y: Coordinate


class PlanogramPosition(Wire):
    """Where a product should stand: its left upper corner, from the planogram's."""

    id: str
    product_id: str
    fixture_id: str
    x: Coordinate
    y: Coordinate


class Planogram(Wire):
    """What should stand where. Lengths are of any one unit; the origin is the left upper corner."""

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
    """The positions at which their product was found."""

    matching_result_per_position: list[MatchedPosition]
