"""Trainings: started, cancelled, and deleted with their models."""

from vision_customization.contract.enums import ModelKind
from vision_customization.contract.models import ModelCreate, TrainingParameters
from vision_customization.contract.training_rules import tiles_fault, usual_kind
from vision_customization.contract.training_time import budget_range_fault
from vision_customization.engine.objects.keys import model_key
from vision_customization.engine.orders.collaborators import Collaborators
from vision_customization.engine.orders.errors import OrderRefused
from vision_customization.engine.orders.two_places import tidying, undone_by
from vision_customization.engine.store import ModelRecord, NotFound, Store, TrainingOrder


def start_training(service: Collaborators, name: str, order: ModelCreate) -> ModelRecord:
    """Create the model `name`, and queue its training.

    Raises:
        AlreadyExists: a model or a published model has the name.
        OrderRefused: the budget or the tiles are not possible for the kind.
    """
    parameters, evaluation = order.training_parameters, order.evaluation_parameters
    kind = trainable_kind(parameters, service.store)
    record = service.store.models.create(
        name,
        TrainingOrder(
            training_dataset_name=parameters.training_dataset_name,
            time_budget_in_hours=parameters.time_budget_in_hours,
            model_kind=kind,
            test_dataset_name=evaluation.test_dataset_name if evaluation else None,
            tiles=parameters.tiles,
        ),
        managed_by=order.managed_by,
    )

    def withdraw() -> None:
        service.store.models.cancel(record.id)
        service.store.models.delete(name)

    # If queueing fails, the model is removed again: no worker would ever train it, and the caller can retry.
    with undone_by(withdraw, "model", model=name, id=record.id):
        service.jobs.enqueue_training(record.id)
    return record


def cancel_training(service: Collaborators, name: str) -> ModelRecord:
    """Ask a training to stop. The model is `cancelling` then, and `cancelled` once its worker has stopped, if it has one.

    Raises NotFound, WrongState (it has ended).
    """
    record = service.store.models.request_cancellation(name)
    if record.started is None:
        # No worker has begun it, so it ends here. A worker that takes it from the queue meanwhile skips it.
        with tidying("training not cancelled", model=name, id=record.id):
            service.store.models.cancel(record.id)
    return record


def delete_model(service: Collaborators, name: str, *, spare_published: bool = False) -> None:
    """Delete a model whose training has ended, with its evaluations, its runs and its files.

    Raises:
        NotFound: there is no such model.
        WrongState: its training has not ended.
        StillPublished: with `spare_published`, if a name answers with it.
    """
    record = service.store.models.delete(name, spare_published=spare_published)
    service.models.forget(record.id)
    with tidying("artifact not deleted", model=name, id=record.id):
        service.objects.delete(model_key(record.id))


def trainable_kind(parameters: TrainingParameters, store: Store) -> ModelKind:
    """The kind to train: the one that the caller names, else the one that fits the dataset. The training checks whether the
    dataset exists and fits. Raises OrderRefused for a budget above the kind's maximum, and tiles that it does not support."""
    kind = parameters.model_kind
    if kind is None:
        try:
            kind = usual_kind(store.datasets.find(parameters.training_dataset_name).annotation_kind)
        except NotFound:
            kind = ModelKind.GENERIC_CLASSIFIER
    if fault := budget_range_fault(kind, parameters.time_budget_in_hours):
        raise OrderRefused("trainingParameters.timeBudgetInHours", f"{fault}.")
    if fault := tiles_fault(kind, parameters.tiles):
        raise OrderRefused("trainingParameters.tiles", f"{fault}.")
    return kind
