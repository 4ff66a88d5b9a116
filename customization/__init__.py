"""Datasets, models and evaluations: as a REST client, as COCO files on disk, and as Pulumi resources.

`client` speaks the REST contract, `datasets` and `convert` read and write COCO files, `cli` is the `vision` command; none of
them depends on Pulumi. `resources` is a thin adapter over them. Training itself is in `engine`, behind the contract.
Each name below is imported when it is first used.
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vision_customization.common.errors import StorageError, VisionError
    from vision_customization.contract.enums import AnnotationKind, ModelKind
    from vision_customization.customization.client.client import RetryPolicy, TokenCredential, VisionClient
    from vision_customization.customization.errors import (
        AlreadyExists,
        BadRequest,
        BatchPredictionFailed,
        ConversionFailed,
        DatasetInvalid,
        EvaluationFailed,
        GateMissed,
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
    "BadRequest",
    "BatchPredictionFailed",
    "ConversionFailed",
    "Dataset",
    "DatasetInvalid",
    "Evaluation",
    "EvaluationFailed",
    "ExistingWorkspace",
    "GateMissed",
    "ImageUnreadable",
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
    "contract.enums": ("AnnotationKind", "ModelKind"),
    "customization.client.client": ("RetryPolicy", "TokenCredential", "VisionClient"),
    "customization.errors": (
        "AlreadyExists",
        "BadRequest",
        "BatchPredictionFailed",
        "ConversionFailed",
        "DatasetInvalid",
        "EvaluationFailed",
        "GateMissed",
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

if not TYPE_CHECKING:  # a type checker sees only the names above

    def __getattr__(name: str) -> object:
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"vision_customization.{_HOME[name]}"), name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if __name__ == "customization":
    # The state of a stack that was last updated before these modules moved has the providers' former paths. In a checkout, they
    # resolve from the top-level folder, to the same classes and not to a second copy.
    for module in ("", ".dataset", ".evaluation", ".model", ".promoted_model", ".published_model"):
        name = f"customization.resources{module}"
        sys.modules[name] = import_module(f"vision_customization.{name}")
