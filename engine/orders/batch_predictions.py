"""Batch prediction runs: started and deleted."""

from pydantic import SecretStr

from vision_customization.contract.batch_prediction import BatchPredictionCreate
from vision_customization.contract.errors import FailureCode
from vision_customization.contract.wire import ErrorDetails
from vision_customization.engine.objects.keys import batch_prediction_key
from vision_customization.engine.orders.collaborators import Collaborators
from vision_customization.engine.orders.two_places import tidying, undone_by
from vision_customization.engine.store import BatchPredictionRecord


def start_batch_prediction(
    service: Collaborators,
    model_name: str,
    name: str,
    order: BatchPredictionCreate,
    source_token: SecretStr | None,
    result_token: SecretStr | None,
) -> BatchPredictionRecord:
    """Create the run `name` of a model, or of the one behind a published name, and queue it. The tokens are without a leading
    `?`.

    Raises NotFound (the model), WrongState (it has not succeeded), AlreadyExists.
    """
    runs = service.store.batch_predictions
    record = runs.create(
        model_name,
        name,
        source=order.azure_blob_source,
        source_token=source_token,
        dataset_name=order.dataset_name,
        result=order.azure_blob_result,
        result_token=result_token,
    )

    def withdraw() -> None:
        message = "The run could not be queued for a worker."
        runs.fail(record.id, ErrorDetails(code=FailureCode.INTERNAL_SERVER_ERROR.value, message=message))
        runs.delete(record.model_name, name)

    with undone_by(withdraw, "batch prediction run", model=record.model_name, run=name):
        service.jobs.enqueue_batch_prediction(record.id)
    return record


def delete_batch_prediction(service: Collaborators, model_name: str, name: str) -> None:
    """Delete a run that has ended, with its rows. Raises NotFound, WrongState."""
    record = service.store.batch_predictions.delete(model_name, name)
    # Rows that remain are deleted with the model.
    with tidying("rows not deleted", model=record.model_name, run=name):
        service.objects.delete(batch_prediction_key(record.model_id, record.id))
