"""Which of several trainings goes first: the one that is due first.

A training is due after twice the time that one worker needs for its images. A small training that is started beside a huge one
is therefore due earlier, and all its pieces go first. A huge one is never put off for ever: what is started after it is due
goes after it. Among equal tasks on one machine, this order bounds how many times longer each takes than alone (Bender,
Chakrabarti and Muthukrishnan, "Flow and stretch metrics for scheduling continuous job streams", SODA 1998).
"""

_SINCE = 1_767_225_600
"""2026-01-01, in seconds since 1970: priorities are 32-bit numbers."""
_STRETCH = 2.0
_LOWEST = 2**31 - 1


def due(started: float, seconds_alone: float) -> int:
    """The priority of a training's pieces: the second in which it is due. It is greater than that of an evaluation, which is
    `FIRST_PRIORITY`: evaluations go first.

    Args:
        started: seconds since 1970.
        seconds_alone: how long one worker would need for it.
    """
    return min(_LOWEST, max(2, int(started - _SINCE + _STRETCH * seconds_alone)))
