"""What can go wrong, as one tree: whoever catches `VisionError` has caught everything this package raises on purpose.

    VisionError
    ├── DatasetInvalid            the files of a dataset break the contract: `violations` has them all
    ├── ConversionFailed          labels in another format that can't become COCO
    ├── ImageUnreadable           a file that is no image, or a damaged one
    ├── StorageError              blob storage refused, or can't be reached
    └── ServiceError              the engine behind the REST contract
        ├── Unreachable           no answer, or none in time, after all retries
        ├── WaitTimedOut          the work goes on, but the caller's patience has ended
        ├── RequestError          the service answered no: `status`, `code` and its message
        │   ├── BadRequest, NotAuthorized, NotFound, AlreadyExists, PreconditionFailed, TooManyRequests, ServiceFault
        ├── TrainingFailed        `model` tells how it ended
        │   └── TrainingCancelled
        ├── EvaluationFailed
        └── RecognitionFailed

No message holds a key, a token or a SAS signature.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vision_customization.common.errors import VisionError
from vision_customization.contract.texts import counted, listed

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    """A file that is no image of a listed type, or a damaged one. The text leaves the file's name to the caller."""


class ServiceError(VisionError):
    """Anything that the engine behind the REST contract did not do."""


class Unreachable(ServiceError):
    """No answer, or none in time, after all retries."""


class WaitTimedOut(ServiceError):
    """The caller's patience ended before the work did. The work goes on: wait again, or cancel it."""


class RequestError(ServiceError):
    """The service answered, and the answer is no."""

    def __init__(self, method: str, path: str, status: int, code: str, message: str) -> None:
        self.method = method
        self.path = path
        self.status = status
        self.code = code
        self.message = message
        self.retried = False
        """Whether an earlier attempt may have had its effect, without our seeing the answer."""
        super().__init__(f"{method} {path}: {status} {code}: {message}")

    @staticmethod
    def of(method: str, path: str, status: int, code: str, message: str) -> RequestError:
        """The error class that fits `status`."""
        error_class = ServiceFault if status >= 500 else _BY_STATUS.get(status, RequestError)
        return error_class(method, path, status, code, message)


class BadRequest(RequestError):
    """400: the request, or the state of what it asks for, does not allow it."""


class NotAuthorized(RequestError):
    """401, 403: wrong key, wrong endpoint, or a role is missing."""


class NotFound(RequestError):
    """404."""


class AlreadyExists(RequestError):
    """409: the name is taken by something else than what was to be created."""


class PreconditionFailed(RequestError):
    """412: it was changed since it was read."""


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


class TrainingFailed(ServiceError):
    """A training ended without a model: `model.error` says why."""

    def __init__(self, model: Model) -> None:
        self.model = model
        super().__init__(f"model {model.name!r}: training {model.status.value}{_because(model.error)}")


class TrainingCancelled(TrainingFailed):
    """Somebody cancelled the training."""


class TilesIgnored(ServiceError):
    """A service that knows no `tiles` has begun a training without them."""

    def __init__(self, model: Model, wanted: int) -> None:
        self.model = model
        super().__init__(
            f"model '{model.name}' is trained with tiles {model.training_parameters.tiles}, not {wanted}: the service is of a "
            f"version that does not know them. Leave out tiles, or update the service, end this model (`vision models cancel "
            f"{model.name}`, then `vision models delete {model.name}`), and train it again"
        )


class EvaluationFailed(ServiceError):
    """An evaluation ended without numbers: `evaluation.error` says why."""

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


def _because(error: ErrorDetails | None) -> str:
    return f": {error.code}: {error.message}" if error else ""
