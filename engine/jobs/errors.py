"""How a job ends early.

```
EngineError
├── JobError
│   ├── JobFailed          it cannot succeed, with the contract's code
│   └── JobCancelled       it was asked to stop, or what it works for was deleted
└── SourceUnreachable      a host of blobs does not answer, or not as it should: another attempt may go better
```

DBOS keeps a JobError as the result of the step that raised it, so that a job which is taken up again ends the same way.
"""

from vision_customization.contract.errors import FailureCode
from vision_customization.contract.wire import ErrorDetails
from vision_customization.engine.blobs.address import BlobAddress, BlobError, BlobErrorKind
from vision_customization.engine.errors import EngineError


class JobError(EngineError):
    """A job that ends without a result."""


class JobFailed(JobError):
    """`message` is what the caller of the API reads: no query string and no secret may stand in it."""

    def __init__(self, code: FailureCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def __reduce__(self) -> tuple[type["JobFailed"], tuple[object, ...]]:
        return type(self), (self.code, self.message)

    def details(self) -> ErrorDetails:
        return ErrorDetails(code=self.code.value, message=self.message)


class JobCancelled(JobError):
    """Nothing went wrong."""


class SourceUnreachable(EngineError):
    """What a job needs cannot be read just now. The text names it, and no query string or secret stands in it."""

    def __init__(self, host: str, message: str) -> None:
        super().__init__(message)
        self.host = host

    def __reduce__(self) -> tuple[type["SourceUnreachable"], tuple[object, ...]]:
        return type(self), (self.host, str(self))


def unreadable(place: str, url: str, error: BlobError) -> JobFailed | SourceUnreachable:
    """What it means for a job that the blob at `url`, which `place` names, could not be read."""
    message = f"{place}: {error.message}"
    if error.kind is BlobErrorKind.UNREACHABLE:
        return SourceUnreachable(BlobAddress.parse(url).host, message)
    return JobFailed(FailureCode.DATASET_CORRUPT, message)
