"""The ways in which a job ends early.

```
EngineError
├── JobError
│   ├── JobFailed          it cannot succeed, with the contract's code
│   └── JobCancelled       it was asked to stop, or what it works for was deleted
└── SourceUnreachable      a blob host gives no answer, or a wrong one: another attempt may succeed
```

DBOS keeps a JobError as the result of the step that raised it, so that a job that is resumed ends the same way.
"""

from vision_customization.contract.errors import FailureCode
from vision_customization.contract.wire import ErrorDetails
from vision_customization.engine.blobs.address import BlobAddress, BlobError, BlobErrorKind
from vision_customization.engine.errors import EngineError


class JobError(EngineError):
    """A job that ends without a result."""


class JobFailed(JobError):
    """The caller of the API reads `message`: it must not contain a query string or a secret."""

    def __init__(self, code: FailureCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def __reduce__(self) -> tuple[type["JobFailed"], tuple[object, ...]]:
        return type(self), (self.code, self.message)

    def details(self) -> ErrorDetails:
        return ErrorDetails(code=self.code.value, message=self.message)


class JobCancelled(JobError):
    """A job that stopped without an error."""


class SourceUnreachable(EngineError):
    """Something that a job needs cannot be read at the moment. The text names it, without query string or secret."""

    def __init__(self, host: str, message: str) -> None:
        super().__init__(message)
        self.host = host

    def __reduce__(self) -> tuple[type["SourceUnreachable"], tuple[object, ...]]:
        return type(self), (self.host, str(self))


def unreadable(place: str, url: str, error: BlobError) -> JobFailed | SourceUnreachable:
    """The error of a job that could not read the blob at `url`, which messages call `place`."""
    message = f"{place}: {error.message}"
    if error.kind is BlobErrorKind.UNREACHABLE:
        return SourceUnreachable(BlobAddress.parse(url).host, message)
    return JobFailed(FailureCode.DATASET_CORRUPT, message)
