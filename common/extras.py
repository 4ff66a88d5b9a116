"""Optional parts of the package: what to install where one is missing."""

from collections.abc import Iterator
from contextlib import contextmanager


class ExtraMissing(ModuleNotFoundError):
    """A module that comes with an extra is not installed; the message names the command that installs it."""


@contextmanager
def extra_needed(extra: str) -> Iterator[None]:
    """Around imports that need an extra: whatever is not installed is said in a sentence.

    Raises:
        ExtraMissing: a module of another package is not there.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "vision_customization":
            raise
        raise ExtraMissing(
            f"{error.name} is not installed: pip install 'vision-customization[{extra}]'", name=error.name
        ) from error
