"""Questions that outcomes can't answer."""

from collections.abc import Sequence

from vision_customization.engine.errors import EngineError

_NAMED = 10


class InvalidQuestion(EngineError, ValueError):
    """A tag, a threshold or a pair of models that the outcomes can't answer. `target` is the argument's name."""

    def __init__(self, target: str, message: str) -> None:
        super().__init__(message)
        self.target = target


def position(tags: Sequence[str], tag: str, target: str) -> int:
    """Where a tag stands in the tags. Raises InvalidQuestion if it does not."""
    try:
        return tags.index(tag)
    except ValueError:
        named = ", ".join(f"'{name}'" for name in tags[:_NAMED]) + (", …" if len(tags) > _NAMED else "")
        raise InvalidQuestion(target, f"The model has no tag {tag!r}. Choose one of its {len(tags):,}: {named}.") from None
