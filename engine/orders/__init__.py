"""What callers order from the engine: trainings, evaluations, batch predictions, publications, and their ends. Routes of the
API and pages of the Studio give the same orders. It knows no HTTP."""

from vision_customization.engine.orders.batch_predictions import delete_batch_prediction, start_batch_prediction
from vision_customization.engine.orders.collaborators import Collaborators, Jobs, LoadedModels
from vision_customization.engine.orders.errors import OrderRefused
from vision_customization.engine.orders.evaluations import delete_evaluation, start_evaluation
from vision_customization.engine.orders.publications import publish
from vision_customization.engine.orders.trainings import cancel_training, delete_model, start_training

__all__ = [
    "Collaborators",
    "Jobs",
    "LoadedModels",
    "OrderRefused",
    "cancel_training",
    "delete_batch_prediction",
    "delete_evaluation",
    "delete_model",
    "publish",
    "start_batch_prediction",
    "start_evaluation",
    "start_training",
]
