"""How long to wait before a retry."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

_DOUBLINGS_MAX = 64
"""With more, the number would no longer fit a float; nothing else would change."""


@dataclass(frozen=True)
class Backoff:
    """Waits that double from `first_seconds` to `longest_seconds`.

    Attributes:
        least_share: each wait is random between this share of it and all of it, so that clients that fail at once do not all
            retry at once.
        asked_max_seconds: a server's longer `Retry-After` is used instead, up to this.
    """

    first_seconds: float
    longest_seconds: float = math.inf
    least_share: float = 1.0
    asked_max_seconds: float = 0.0

    def wait_seconds(self, failures: int, asked_seconds: float | None = None) -> float:
        """The wait after this many failures, counted from 1."""
        wait = min(self.longest_seconds, self.first_seconds * 2.0 ** min(failures - 1, _DOUBLINGS_MAX))
        if self.least_share < 1:
            wait *= random.uniform(self.least_share, 1.0)  # noqa: S311 - not a secret
        return max(wait, min(asked_seconds or 0.0, self.asked_max_seconds))

    def waits(self, count: int) -> tuple[float, ...]:
        """The waits after the first `count` failures."""
        return tuple(self.wait_seconds(failures) for failures in range(1, count + 1))
