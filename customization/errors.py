"""All errors that this package raises on purpose, as one tree: catch `VisionError` to catch all of them.

    VisionError
    ├── DatasetInvalid            the files of a dataset break the contract: `violations` lists them
    ├── ConversionFailed          labels in another format that can't become COCO
    ├── ImageUnreadable           a file that is not an image, or is damaged
    ├── CodecMissing              Pillow can't decode an image here, although the file may be intact
    ├── StorageError              blob storage refused the request, or can't be reached
    └── ServiceError              the engine behind the REST contract
        ├── Unreachable           no answer in time, after all retries
        ├── WaitTimedOut          the caller's timeout passed; the work continues
        ├── RequestError          the service refused the request: `status`, `code`, message
        │   ├── BadRequest
        │   │   └── GateMissed        a model does not pass the gate of a published name
        │   └── NotAuthorized, NotFound, AlreadyExists, PreconditionFailed, TooManyRequests, ServiceFault
        ├── TrainingFailed        `model` says how it ended
        │   └── TrainingCancelled
        ├── EvaluationFailed
        ├── RecognitionFailed
        └── BatchPredictionFailed  `run` says how it ended

No message holds a key, a token or a SAS signature.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vision_customization.common.errors import VisionError
from vision_customization.contract.errors import ErrorCode
from vision_customization.contract.texts import counted, listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vision_customization.contract.batch_prediction import BatchPredictionRun
    from vision_customization.contract.coco.document import Violation
    from vision_customization.contract.evaluations import Evaluation
    from vision_customization.contract.models import Model
    from vision_customization.contract.products import ProductRecognitionRun
    from vision_customization.contract.wire import ErrorDetails


class DatasetInvalid(VisionError):
    """The files of a dataset break the contract. The text shows the first violations, `violations` has all of them."""

    def __init__(self, violations: Sequence[Violation]) -> None:
        self.violations = tuple(violations)
        super().__init__(listed(f"the dataset has {counted(len(self.violations), 'violation')}", self.violations))


class ConversionFailed(VisionError):
    """Labels that can't become COCO. Each problem names its file, and the line or index in it."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(listed(f"nothing was converted: {counted(len(self.problems), 'problem')}", self.problems))


class ImageUnreadable(VisionError):
    """A file that is not an image of a supported type, or is damaged. The message does not name the file: the caller does."""


class CodecMissing(VisionError):
    """Pillow lacks the codec of an image, or can't load it. The file may be intact: the installation is at fault."""


class ServiceError(VisionError):
    """Base class of the errors of the engine behind the REST contract."""


class Unreachable(ServiceError):
    """No answer in time, after all retries."""


class WaitTimedOut(ServiceError):
    """The caller's timeout passed before the work ended. The work continues: wait again, or cancel it."""


class RequestError(ServiceError):
    """The service refused the request. Where it gave no error code, `code` is the status."""

    def __init__(self, method: str, path: str, status: int, code: str, message: str) -> None:
        self.method = method
        self.path = path
        self.status = status
        self.code = code
        self.message = message
        self.retried = False
        """Whether an earlier attempt, whose answer was lost, may have taken effect."""
        super().__init__(f"{method} {path}: {status}{'' if code == str(status) else f' {code}'}: {message}")

    @staticmethod
    def of(method: str, path: str, status: int, code: str, message: str) -> RequestError:
        """The error class that fits `status`."""
        error_class = ServiceFault if status >= 500 else _BY_CODE.get(code) or _BY_STATUS.get(status, RequestError)
        return error_class(method, path, status, code, message)


class BadRequest(RequestError):
    """400: the request is invalid, or not possible in the resource's current state."""


class GateMissed(BadRequest):
    """400: the model does not pass the gate of the published name, which stays as it was. The message has the numbers."""


class NotAuthorized(RequestError):
    """401, 403: wrong key, wrong endpoint, or a role is missing."""


class NotFound(RequestError):
    """404."""


class AlreadyExists(RequestError):
    """409: the name is taken by something else."""


class PreconditionFailed(RequestError):
    """412: the resource has changed since it was read."""


class TooManyRequests(RequestError):
    """429, still after all retries."""


class ServiceFault(RequestError):
    """5xx, still after all retries."""


_BY_STATUS: dict[int, type[RequestError]] = {
    400: BadRequest,
    401: NotAuthorized,
    403: NotAuthorized,
    404: NotFound,
    409: AlreadyExists,
    412: PreconditionFailed,
    429: TooManyRequests,
}

_BY_CODE: dict[str, type[RequestError]] = {ErrorCode.GATE_MISSED: GateMissed}


class TrainingFailed(ServiceError):
    """A training ended without a model: `model.error` says why."""

    def __init__(self, model: Model) -> None:
        self.model = model
        super().__init__(f"model {model.name!r}: training {model.status.value}{_because(model.error)}")


class TrainingCancelled(TrainingFailed):
    """The training was cancelled."""


class TilesIgnored(ServiceError):
    """A service that does not support `tiles` started a training without them."""

    def __init__(self, model: Model, wanted: int) -> None:
        self.model = model
        super().__init__(
            f"model '{model.name}' is trained with tiles {model.training_parameters.tiles}, not {wanted}: this version of the "
            f"service does not support tiles. Either leave out tiles, or update the service, remove this model (`vision models "
            f"cancel {model.name}`, then `vision models delete {model.name}`) and train it again"
        )


class EvaluationFailed(ServiceError):
    """An evaluation ended without metrics: `evaluation.error` says why."""

    def __init__(self, evaluation: Evaluation) -> None:
        self.evaluation = evaluation
        name = f"evaluation {evaluation.name!r} of model {evaluation.model_name!r}"
        super().__init__(f"{name}: {evaluation.status.value}{_because(evaluation.error)}")


class RecognitionFailed(ServiceError):
    """A product recognition run ended without a result: `run.error` says why."""

    def __init__(self, run: ProductRecognitionRun) -> None:
        self.run = run
        name = f"run {run.run_name!r} of model {run.model_name!r}"
        super().__init__(f"{name}: {run.status.value}{_because(run.error)}")


class BatchPredictionFailed(ServiceError):
    """A batch prediction run failed (`run.error` says why), or was cancelled. The rows that it has stay."""

    def __init__(self, run: BatchPredictionRun) -> None:
        self.run = run
        name = f"batch prediction run {run.run_name!r} of model {run.model_name!r}"
        super().__init__(f"{name}: {run.status.value}{_because(run.error)}")


def _because(error: ErrorDetails | None) -> str:
    return f": {error.code}: {error.message}" if error else ""
