"""How a job ends early.

```
EngineError
└── JobError
    ├── JobFailed       it cannot succeed, with the contract's code
    └── JobCancelled    it was asked to stop, or what it works for was deleted
```

DBOS keeps them as the result of the step that raised them, so that a job which is taken up again ends the same way.
"""

from customization.contract import ErrorDetails, FailureCode
from engine.errors import EngineError


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
