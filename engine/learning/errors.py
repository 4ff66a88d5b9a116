"""The errors of learning, each with the contract's code for a failed training.

```
EngineError
└── LearningError
    ├── ImageError        bytes that are not an image
    ├── CodecError        an image that this installation can't decode
    ├── WeightsError      the pretrained networks are missing or damaged
    └── ArtifactError     a stored classifier or model file is damaged or of another version
```
"""

from vision_customization.contract.errors import FailureCode
from vision_customization.engine.errors import EngineError


class LearningError(EngineError):
    """A training, an evaluation or a prediction that is not possible. `code` is the contract's code for it."""

    def __init__(self, code: FailureCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def __reduce__(self) -> tuple[type["LearningError"], tuple[object, ...]]:
        return type(self), (self.code, self.message)


class ImageError(LearningError, ValueError):
    """Bytes that are not an image this engine can read; the message says why."""

    def __init__(self, message: str) -> None:
        super().__init__(FailureCode.DATASET_CORRUPT, message)

    def __reduce__(self) -> tuple[type["ImageError"], tuple[object, ...]]:
        return type(self), (self.message,)


class CodecError(LearningError):
    """An image that Pillow can't decode here, because it lacks a codec. The image may be intact."""

    def __init__(self, message: str) -> None:
        super().__init__(FailureCode.INTERNAL_SERVER_ERROR, message)

    def __reduce__(self) -> tuple[type["CodecError"], tuple[object, ...]]:
        return type(self), (self.message,)


class WeightsError(LearningError):
    """Pretrained weights that are missing, unreachable or not the expected ones."""

    def __init__(self, message: str) -> None:
        super().__init__(FailureCode.INTERNAL_SERVER_ERROR, message)

    def __reduce__(self) -> tuple[type["WeightsError"], tuple[object, ...]]:
        return type(self), (self.message,)


class ArtifactError(LearningError):
    """A stored head or a model file that is broken or of another version."""

    def __init__(self, message: str) -> None:
        super().__init__(FailureCode.INTERNAL_SERVER_ERROR, message)

    def __reduce__(self) -> tuple[type["ArtifactError"], tuple[object, ...]]:
        return type(self), (self.message,)
