"""Batch prediction runs, an extension of the contract: a model's answers for every image of a container or a dataset."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from vision_customization.contract.analysis import CustomModelResult, ImageMetadata
from vision_customization.contract.datasets import Authentication
from vision_customization.contract.enums import BatchPredictionStatus
from vision_customization.contract.wire import ErrorDetails, Timestamp, Wire

URL_MAX_LENGTH = 2048
PREFIX_MAX_LENGTH = 1024
"""The most that the name of a blob can have."""

ROWS_MEDIA_TYPE = "application/x-ndjson"

Url = Annotated[str, Field(max_length=URL_MAX_LENGTH)]


class AzureBlobSource(Wire):
    """The images of a container whose names begin with `prefix`."""

    container_url: Url
    prefix: Annotated[str, Field(max_length=PREFIX_MAX_LENGTH)] = ""
    authentication: Authentication | None = None


class AzureBlobResult(Wire):
    """The blob that the rows are written to, beside those that the engine keeps; an existing one is replaced."""

    blob_url: Url
    authentication: Authentication | None = None


class BatchPredictionCreate(Wire):
    """Body of `PUT /batchprediction/{modelName}/runs/{runName}`: the images, of a container or of a registered dataset."""

    azure_blob_source: AzureBlobSource | None = None
    dataset_name: str | None = None
    azure_blob_result: AzureBlobResult | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.azure_blob_source is None) == (self.dataset_name is None):
            raise ValueError("set exactly one of azureBlobSource and datasetName: the images to answer")
        return self


class BatchPredictionProgress(Wire):
    """How far a run is. `images` and `share` are absent until they are listed. `other_blobs` are those of the container that
    are not images, by name and content type. `message` says what the run waits for."""

    images: int | None = None
    images_answered: int = 0
    images_failed: int = 0
    other_blobs: int = 0
    share: float | None = None
    message: str | None = None

    @property
    def rows(self) -> int:
        """How many images have a row: an answer, or an error."""
        return self.images_answered + self.images_failed


class BatchPredictionRun(Wire):
    run_name: str
    model_name: str
    created_date_time: Timestamp
    updated_date_time: Timestamp
    status: BatchPredictionStatus
    azure_blob_source: AzureBlobSource | None = None
    dataset_name: str | None = None
    azure_blob_result: AzureBlobResult | None = None
    progress: BatchPredictionProgress
    error: ErrorDetails | None = None


class BatchPredictionRow(Wire):
    """A row of the results: an answer of `imageanalysis:analyze`, or why there is none. `url` is without a query."""

    url: str
    custom_model_result: CustomModelResult | None = None
    model_version: str | None = None
    metadata: ImageMetadata | None = None
    error: ErrorDetails | None = None
