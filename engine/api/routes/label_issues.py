"""`/datasets/{name}/labelissues` (an extension): training images whose labels are likely wrong."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from vision_customization.contract.enums import ModelStatus
from vision_customization.contract.errors import ErrorCode
from vision_customization.contract.outcomes import LabelIssues
from vision_customization.contract.wire import Name
from vision_customization.engine.api.collaborators import Service
from vision_customization.engine.api.document import failures
from vision_customization.engine.api.errors import ApiError, invalid
from vision_customization.engine.api.parameters import VERSIONED, LongPageQuery, PathName, Serving
from vision_customization.engine.outcomes.estimates import Estimate, first_estimate

router = APIRouter(prefix="/computervision/datasets", tags=["Datasets"], dependencies=VERSIONED)

ModelName = Annotated[
    Name | None, Query(alias="model-name", description="A classifier trained from the dataset; by default the newest one.")
]


@router.get(
    "/{name}/labelissues",
    summary="List a dataset's images, those with the least probable labels first (an extension)",
    response_model=LabelIssues,
    responses=failures(400, 401, 404, 405),
)
def label_issues(service: Serving, name: PathName, page: LongPageQuery, model_name: ModelName = None) -> Response:
    service.store.datasets.find(name)
    estimate = _estimate(service, name, model_name)
    model, likely = estimate.model.name, estimate.outcomes.likely
    count, lines = estimate.outcomes.page(page.skip, page.top)
    # The next page is of the same model, even if a newer one has been trained by then.
    return page.encoded(lines, count, {"model-name": model}, {"modelName": model, "likely": likely})


def _estimate(service: Service, dataset: str, model_name: str | None) -> Estimate:
    """The newest classifier trained from the dataset (or the one named), and what it answers for images that it had not
    seen."""
    if model_name is None:
        candidates = service.store.models.trained_from(dataset)
    else:
        record = service.store.models.find(model_name)
        if record.training_dataset_name != dataset:
            message = f"model-name: '{model_name}' was trained from dataset '{record.training_dataset_name}', not '{dataset}'."
            raise invalid(message, target="model-name")
        if record.status is not ModelStatus.SUCCEEDED:
            message = f"model-name: '{model_name}' is '{record.status.value}': only one that succeeded has an estimate."
            raise invalid(message, target="model-name")
        candidates = [record]
    estimate = first_estimate(service.objects, candidates)
    if estimate is not None:
        return estimate
    if not candidates:
        message = f"No model has been trained from dataset '{dataset}'. Train a Generic-Classifier from it first."
    else:
        which = f"No model trained from dataset '{dataset}' has an" if model_name is None else f"Model '{model_name}' has no"
        message = (
            f"{which} estimate for its training images. Train a Generic-Classifier from dataset '{dataset}' with this version "
            "of the engine."
        )
    raise ApiError(404, ErrorCode.MODEL_NOT_FOUND, message, target=dataset)
