"""How many wrong keys each address sent of late: an address that guesses keys has to wait."""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable

WRONG_KEYS_MAX = 20
"""Wrong keys of an address within WINDOW_SECONDS after which it must wait."""
WINDOW_SECONDS = 60.0
ADDRESSES_MAX = 4096
"""Addresses that are remembered; the one whose last wrong key is the oldest is forgotten first."""


class WrongKeys:
    """The wrong keys of the last minute, in this process. Safe to use from many threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._moments: OrderedDict[str, deque[float]] = OrderedDict()

    def add(self, address: str) -> int:
        """Remember a wrong key; returns how many there were within WINDOW_SECONDS, at most WRONG_KEYS_MAX."""
        with self._lock:
            moments = self._moments.pop(address, None) or deque(maxlen=WRONG_KEYS_MAX)
            moments.append(self._clock())
            self._moments[address] = moments
            if len(self._moments) > ADDRESSES_MAX:
                self._moments.popitem(last=False)
            return sum(self._is_recent(moment) for moment in moments)

    def wait_seconds(self, address: str) -> float:
        """How long the address has to wait until it may try again; 0 if it may now."""
        with self._lock:
            moments = self._moments.get(address)
            if moments is None or len(moments) < WRONG_KEYS_MAX:
                return 0.0
            return max(0.0, moments[0] + WINDOW_SECONDS - self._clock())

    def _is_recent(self, moment: float) -> bool:
        return self._clock() - moment < WINDOW_SECONDS
