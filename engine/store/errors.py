"""The calls that the store refuses.

```
EngineError
└── StoreError
    ├── NotFound              nothing has that name or id
    ├── AlreadyExists         the name is taken
    ├── WrongState            the status does not allow it
    ├── StillPublished        the model answers under a published name
    ├── GateMissed            the model's metrics do not reach what the published name requires
    ├── PreconditionFailed    `If-Match` names another version
    ├── TokenNeeded           a dataset's SAS token must be given, or given again
    └── ImagesElsewhere       a draft can't have images that are not in its container
```
"""

from collections.abc import Sequence
from typing import Literal

from vision_customization.engine.errors import EngineError

Kind = Literal[
    "dataset",
    "model",
    "evaluation",
    "published model",
    "run",
    "batch prediction run",
    "content index",
    "inspection",
    "draft",
    "tag",
    "version",
    "image",
    "sample",
]


NAMES_SHOWN = 5
"""Published names that an error lists."""


class StoreError(EngineError):
    """A call that the store refuses; nothing was changed."""


class NotFound(StoreError):
    """Nothing has that name or id."""

    def __init__(self, kind: Kind, name: str) -> None:
        super().__init__(f"There is no {kind} '{name}'.")
        self.kind = kind
        self.name = name


class AlreadyExists(StoreError):
    """The name is taken, by one of the same kind or (models and published names share a namespace) of another."""

    def __init__(self, kind: Kind, name: str, taken_by: Kind | None = None) -> None:
        taken_by = taken_by or kind
        article = "an" if taken_by == "evaluation" else "a"
        super().__init__(f"The name '{name}' is already taken by {article} {taken_by}.")
        self.kind = kind
        self.name = name
        self.taken_by = taken_by


class WrongState(StoreError):
    """The status does not allow the call; the text says which status would."""

    def __init__(self, kind: Kind, name: str, status: str, expected: str) -> None:
        super().__init__(f"The {kind} '{name}' is '{status}': {expected}.")
        self.kind = kind
        self.name = name
        self.status = status


class StillPublished(StoreError):
    """The model answers under published names, so it is not deleted. `names` has all of them."""

    def __init__(self, model_name: str, names: Sequence[str]) -> None:
        shown = ", ".join(f"'{name}'" for name in names[:NAMES_SHOWN])
        more = f" and {len(names) - NAMES_SHOWN:,} more" if len(names) > NAMES_SHOWN else ""
        super().__init__(
            f"The model '{model_name}' answers as {shown}{more}. Publish another model there first, or unpublish the name."
        )
        self.name = model_name
        self.names = tuple(names)


class GateMissed(StoreError):
    """The model's metrics do not reach what the published name requires. `misses` has a line for each; `judged_on` says which
    metrics those are: `in evaluation 'e'`."""

    def __init__(self, name: str, model_name: str, judged_on: str, misses: Sequence[str]) -> None:
        super().__init__(
            f"The model '{model_name}' does not pass the gate of '{name}' {judged_on}: {'; '.join(misses)}. Nothing was "
            "published. Publish a model that passes, or set another gate with `require`."
        )
        self.name = name
        self.model_name = model_name
        self.judged_on = judged_on
        self.misses = tuple(misses)


class PreconditionFailed(StoreError):
    """`If-Match` names another version than the current one."""

    def __init__(self, kind: Kind, name: str) -> None:
        super().__init__(f"The {kind} '{name}' has changed: its eTag is not the one in If-Match. Read it again.")
        self.kind = kind
        self.name = name


class TokenNeeded(StoreError):
    """A dataset needs a SAS token, but has none, or has one for another container than that of its files."""


class ImagesElsewhere(StoreError):
    """An image of the dataset is not in the container of the Studio under the name of its content."""

    def __init__(self, dataset: str, url: str, container: str) -> None:
        super().__init__(
            f"The dataset '{dataset}' can't be changed in the Studio: its image {url} is not one of {container}/images/, named "
            f"by its content. Copy it there first: vision datasets copy {dataset} --to {container} --register {dataset}."
        )
        self.dataset = dataset
        self.url = url
