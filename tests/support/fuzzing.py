"""How long a reader of files is tried with random damage."""

import os
import time
from collections.abc import Callable
from datetime import timedelta
from itertools import count

from hypothesis import HealthCheck, seed, settings

from tests.support.ci import IN_CI

_SECONDS = 20.0 if IN_CI else 0.0
_EXAMPLES = 500 if IN_CI else 40

ROUND = settings(
    max_examples=_EXAMPLES,
    deadline=timedelta(seconds=20),
    derandomize=False,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
"""The settings of one round. A failure prints how to repeat it."""


def fuzz(one_round: Callable[[], object], *, sources: int = 1) -> None:
    """Run rounds for 20 s in CI, else a single short one. Each round draws other examples, but the same ones in every run:
    a change is not refused for what was there before it. VISION_FUZZ_SEED draws others.

    Args:
        one_round: a test that Hypothesis runs with the settings ROUND.
        sources: how many sources share that time, because the same reader reads them.
    """
    until = time.monotonic() + _SECONDS / sources
    for number in count(int(os.environ.get("VISION_FUZZ_SEED", "0"))):
        seed(number)(one_round)()
        if time.monotonic() >= until:
            return
