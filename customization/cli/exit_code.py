"""The exit codes of `vision`, for scripts."""

from enum import IntEnum


class ExitCode(IntEnum):
    DONE = 0
    NO = 1
    """A check failed: violations, a missed gate, a failed training."""
    USAGE = 2
    FAILED = 3
    """The service, the storage or the network failed, or refused the request."""
    INTERRUPTED = 130
