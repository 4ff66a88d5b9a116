"""What every platform offers to datasets and models."""

from typing import Protocol

from vision_customization.customization.resources import Service, TrainingContainer


class Workspace(Protocol):
    """A place to keep datasets and to train models: this machine, or a resource group in Azure."""

    service: Service
    container: TrainingContainer
