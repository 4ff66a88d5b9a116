"""What a draft refuses.

```
EngineError
└── DraftError
    ├── NoStudioContainer        the engine may not write: it has no container for what people label
    ├── ContainerRefuses         the container does not take a blob
    ├── BaseNotReady             the dataset's content is not read yet, or can't be
    ├── LabelsInvalid            labels that an image of this kind can't have
    ├── PictureRefused           a file that is not a picture for a dataset
    ├── NotSaved                 a draft that can't become a version as it is
    └── DatasetInTheWay          a dataset with other content has the name that a version is to be registered under
```
"""

from vision_customization.engine.errors import EngineError


class DraftError(EngineError):
    """Something that can't be done with a draft; nothing was changed."""


class NoStudioContainer(DraftError):
    """The engine has no container for what people label."""

    def __init__(self) -> None:
        super().__init__(
            "The engine has nowhere to write what people label. Set VISION_ENGINE_STUDIO_CONTAINER to a blob container: the "
            "documentation of the engine's settings says how."
        )


class ContainerRefuses(DraftError):
    """The container of the Studio refuses a blob, or does not answer."""


class BaseNotReady(DraftError):
    """The content of the dataset to begin with is not known yet, or its annotation files can't be read."""


class LabelsInvalid(DraftError):
    """Labels that an image can't have. `target` is the label at fault, as the body names it: `labels.2.bbox`."""

    def __init__(self, target: str, message: str) -> None:
        super().__init__(f"{target}: {message}.")
        self.target = target


class PictureRefused(DraftError):
    """A file that is not a picture for a dataset: of another type, damaged, too large or too small."""


class NotSaved(DraftError):
    """The draft can't become a version as it is."""


class DatasetInTheWay(DraftError):
    """A dataset with other content has the name."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name
