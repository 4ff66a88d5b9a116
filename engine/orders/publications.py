"""Publications of models under stable names."""

from vision_customization.contract.gate import faults
from vision_customization.contract.published_models import PublishedModelPut
from vision_customization.engine.orders.collaborators import Collaborators
from vision_customization.engine.orders.errors import OrderRefused
from vision_customization.engine.store import PublishedModelRecord


def publish(service: Collaborators, name: str, order: PublishedModelPut, by: str) -> tuple[PublishedModelRecord, bool]:
    """Let `name` answer with a model. The result is true if the name is new.

    Args:
        by: who publishes it, for the history of the name.

    Raises:
        AlreadyExists: a model has the name.
        NotFound: the model or the evaluation.
        WrongState: the model or the evaluation has not succeeded.
        OrderRefused: the gate requires a metric that no model of this kind has.
        GateMissed: the model does not pass the gate of the name.
    """
    if order.require:
        model = service.store.models.find(order.model_name)
        content = model.training_content
        if found := faults(order.require, model.model_kind, content.annotation_kind if content is not None else None):
            raise OrderRefused("require", f"{'; '.join(found)}.")
    return service.store.published.publish(
        name,
        order.model_name,
        by=by,
        require=order.require,
        evaluation=order.evaluation,
        managed_by=order.managed_by,
    )
