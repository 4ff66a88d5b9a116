"""What a script can tell from `vision`'s exit code."""

from enum import IntEnum


class ExitCode(IntEnum):
    DONE = 0
    NO = 1
    """The answer is no: violations, a gate that is not passed, a training that failed."""
    USAGE = 2
    FAILED = 3
    """The service, the storage or the network failed, or refused."""
    INTERRUPTED = 130
