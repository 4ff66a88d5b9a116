"""An answer of Azure that is not a success."""


class Failure(Exception):
    """What Azure answers: an HTTP status, a code that programs read, and a message for people."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f'Status={status} Code="{code}" Message="{message}"')
        self.status = status
        self.code = code


class Throttled(Failure):
    """Too many calls: to be repeated after `retry_after_seconds`."""

    def __init__(self, retry_after_seconds: float) -> None:
        super().__init__(429, "TooManyRequests", f"too many requests; Retry-After: {retry_after_seconds}")
        self.retry_after_seconds = retry_after_seconds
