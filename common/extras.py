"""Optional parts of the package: what to install if one is missing."""

from collections.abc import Iterator
from contextlib import contextmanager


class ExtraMissing(ModuleNotFoundError):
    """A module of an extra is not installed; the message names the command that installs it."""


@contextmanager
def extra_needed(extra: str) -> Iterator[None]:
    """Wrap imports that need an extra, to report a missing one in a clear message.

    Raises:
        ExtraMissing: a module of another package is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "vision_customization":
            raise
        message = f"{error.name} is not installed: pip install 'vision-customization[{extra}]'"
        raise ExtraMissing(message, name=error.name) from None
