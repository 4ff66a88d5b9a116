"""Datasets, models (trained or promoted), evaluations and published models as Pulumi resources.

Each module holds one resource and its provider, a thin adapter over `customization`'s plain modules. Do not
rename the modules or the classes: their names are part of every user's state (the provider is pickled by reference).
"""

from vision_customization.customization.resources.connection import ExistingWorkspace, Service, TrainingContainer, Workspace
from vision_customization.customization.resources.dataset import Dataset
from vision_customization.customization.resources.evaluation import Evaluation
from vision_customization.customization.resources.model import Model, ModelResource
from vision_customization.customization.resources.promoted_model import PromotedModel
from vision_customization.customization.resources.published_model import PublishedModel

__all__ = [
    "Dataset",
    "Evaluation",
    "ExistingWorkspace",
    "Model",
    "ModelResource",
    "PromotedModel",
    "PublishedModel",
    "Service",
    "TrainingContainer",
    "Workspace",
]
