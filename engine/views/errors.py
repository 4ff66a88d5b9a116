"""The errors of pictures to look at. Each names the picture by its URL without the query, which may hold a SAS token.

```
EngineError
└── ViewError
    ├── ViewsBusy           too many pictures are being made: try again
    ├── PictureUnreadable   its blob cannot be read
    ├── PictureInvalid      its blob is not an image that can be shown
    └── CodecMissing        this installation can't decode it
```
"""

from vision_customization.engine.blobs.address import BlobErrorKind
from vision_customization.engine.errors import EngineError


class ViewError(EngineError):
    """A picture that cannot be shown."""


class ViewsBusy(ViewError):
    """Too many pictures are being made. Nothing was read; ask again after `retry_after_seconds`."""

    retry_after_seconds = 1

    def __init__(self, waiting: int) -> None:
        super().__init__(f"The engine is making {waiting} pictures already. Try again in a second.")


class PictureUnreadable(ViewError):
    """The picture's blob cannot be read; `kind` says in which way."""

    def __init__(self, kind: BlobErrorKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class PictureInvalid(ViewError):
    """The picture's blob is not an image of a supported type, is damaged, or has too many pixels."""


class CodecMissing(ViewError):
    """Pillow lacks a codec here. The picture may be intact."""
