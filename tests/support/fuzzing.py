"""How often a reader of files is tried with random damage."""

import math
import os
from collections.abc import Callable
from datetime import timedelta

from hypothesis import HealthCheck, seed, settings

from tests.support.ci import IN_CI

_ROUNDS = int(os.environ.get("VISION_FUZZ_ROUNDS") or (3 if IN_CI else 1))
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
    """Run three rounds in CI, else a single short one. Each round draws other examples, but the same ones in every run:
    a change is not refused for what was there before it. VISION_FUZZ_SEED draws others, and VISION_FUZZ_ROUNDS more.

    Args:
        one_round: a test that Hypothesis runs with the settings ROUND.
        sources: how many sources share these rounds, because the same reader reads them.
    """
    first = int(os.environ.get("VISION_FUZZ_SEED", "0"))
    for number in range(first, first + math.ceil(_ROUNDS / sources)):
        seed(number)(one_round)()
