"""Product recognition runs."""

from pydantic import Field

from vision_customization.contract.analysis import DetectedObject, ImageMetadata
from vision_customization.contract.enums import RunStatus
from vision_customization.contract.wire import ErrorDetails, Timestamp, Wire


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
