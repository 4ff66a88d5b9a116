"""Evaluations: started and deleted."""

from vision_customization.contract.errors import FailureCode
from vision_customization.contract.evaluations import EvaluationCreate
from vision_customization.contract.wire import ErrorDetails
from vision_customization.engine.objects.keys import older_curves_key, outcomes_key
from vision_customization.engine.orders.collaborators import Collaborators
from vision_customization.engine.orders.two_places import tidying, undone_by
from vision_customization.engine.store import EvaluationRecord


def start_evaluation(service: Collaborators, model_name: str, name: str, order: EvaluationCreate) -> EvaluationRecord:
    """Create the evaluation `name` of a model, and queue it.

    Raises NotFound (the model), WrongState (it has not succeeded), AlreadyExists.
    """
    record = service.store.evaluations.create(model_name, name, test_dataset_name=order.evaluation_parameters.test_dataset_name)

    def withdraw() -> None:
        message = "The evaluation could not be queued for a worker."
        service.store.evaluations.fail(record.id, ErrorDetails(code=FailureCode.INTERNAL_SERVER_ERROR.value, message=message))
        service.store.evaluations.delete(model_name, name)

    with undone_by(withdraw, "evaluation", model=model_name, evaluation=name):
        service.jobs.enqueue_evaluation(record.id)
    return record


def delete_evaluation(service: Collaborators, model_name: str, name: str) -> None:
    """Delete an evaluation that has ended, with its outcomes. Raises NotFound, WrongState."""
    record = service.store.evaluations.delete(model_name, name)
    # Outcomes that remain are deleted with the model.
    with tidying("outcomes not deleted", model=model_name, evaluation=name):
        service.objects.delete(outcomes_key(record.model_id, record.id))
        service.objects.delete(older_curves_key(record.model_id, record.id))
