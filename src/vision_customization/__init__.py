"""What a program or a script imports: the REST client, its errors, the Pulumi resources and the components.

Each name is imported when it is first used: a script that only needs the client loads neither Pulumi nor the engine.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vision_customization.common.errors import StorageError, VisionError
    from vision_customization.components.azure.args import AzureArgs
    from vision_customization.components.azure.workspace import AzureWorkspace
    from vision_customization.components.local.workspace import LocalWorkspace
    from vision_customization.contract.enums import AnnotationKind, ModelKind
    from vision_customization.customization.client.client import RetryPolicy, TokenCredential, VisionClient
    from vision_customization.customization.errors import (
        AlreadyExists,
        BadRequest,
        ConversionFailed,
        DatasetInvalid,
        EvaluationFailed,
        ImageUnreadable,
        NotAuthorized,
        NotFound,
        PreconditionFailed,
        RecognitionFailed,
        RequestError,
        ServiceError,
        ServiceFault,
        TilesIgnored,
        TooManyRequests,
        TrainingCancelled,
        TrainingFailed,
        Unreachable,
        WaitTimedOut,
    )
    from vision_customization.customization.resources import (
        Dataset,
        Evaluation,
        ExistingWorkspace,
        Model,
        ModelResource,
        PromotedModel,
        PublishedModel,
        Service,
        TrainingContainer,
        Workspace,
    )

__all__ = [
    "AlreadyExists",
    "AnnotationKind",
    "AzureArgs",
    "AzureWorkspace",
    "BadRequest",
    "ConversionFailed",
    "Dataset",
    "DatasetInvalid",
    "Evaluation",
    "EvaluationFailed",
    "ExistingWorkspace",
    "ImageUnreadable",
    "LocalWorkspace",
    "Model",
    "ModelKind",
    "ModelResource",
    "NotAuthorized",
    "NotFound",
    "PreconditionFailed",
    "PromotedModel",
    "PublishedModel",
    "RecognitionFailed",
    "RequestError",
    "RetryPolicy",
    "Service",
    "ServiceError",
    "ServiceFault",
    "StorageError",
    "TilesIgnored",
    "TokenCredential",
    "TooManyRequests",
    "TrainingCancelled",
    "TrainingContainer",
    "TrainingFailed",
    "Unreachable",
    "VisionClient",
    "VisionError",
    "WaitTimedOut",
    "Workspace",
]

_HOMES = {
    "common.errors": ("StorageError", "VisionError"),
    "components.azure.args": ("AzureArgs",),
    "components.azure.workspace": ("AzureWorkspace",),
    "components.local.workspace": ("LocalWorkspace",),
    "contract.enums": ("AnnotationKind", "ModelKind"),
    "customization.client.client": ("RetryPolicy", "TokenCredential", "VisionClient"),
    "customization.errors": (
        "AlreadyExists",
        "BadRequest",
        "ConversionFailed",
        "DatasetInvalid",
        "EvaluationFailed",
        "ImageUnreadable",
        "NotAuthorized",
        "NotFound",
        "PreconditionFailed",
        "RecognitionFailed",
        "RequestError",
        "ServiceError",
        "ServiceFault",
        "TilesIgnored",
        "TooManyRequests",
        "TrainingCancelled",
        "TrainingFailed",
        "Unreachable",
        "WaitTimedOut",
    ),
    "customization.resources": (
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
    ),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

if not TYPE_CHECKING:  # to a type checker the names above are all there is

    def __getattr__(name: str) -> object:
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"vision_customization.{_HOME[name]}"), name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
