"""Waiting for a role: one that was just assigned to the engine's identity takes minutes until storage knows of it, and till
then storage answers 403, as it does to an identity that lacks the role for good."""

import logging
import threading
import time
from collections.abc import Callable

ROLE_WAIT_SECONDS = 180.0
"""How long a job goes on asking a storage that answers 403."""

PAUSE_SECONDS = 5.0
_LOGGED_SECONDS = 60.0

_log = logging.getLogger(__name__)


class RoleWait:
    """How long, and how visibly, one reader waits for roles. Its threads share the lines of the log.

    Args:
        seconds: the most that one blob is waited for; 0 for whoever must not wait.
    """

    def __init__(
        self, seconds: float, *, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.seconds = seconds
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._logged: dict[str, float] = {}

    def began(self) -> float:
        return self._clock()

    def pause(
        self, began: float, identity: str, container: str, on_wait: Callable[[str], None] | None, within_seconds: float
    ) -> bool:
        """Pause before another attempt, and tell `on_wait` why. False where the attempt would be later than `seconds` after
        `began`, or than `within_seconds` from now."""
        if self._clock() - began + PAUSE_SECONDS > self.seconds or within_seconds <= PAUSE_SECONDS:
            return False
        why = (
            f"Waiting for a role: {container} answers 403 to {identity}. A new role takes some minutes to work; it is asked "
            f"again for up to {self.seconds / 60:g} minutes."
        )
        if self._is_due(container):
            _log.warning("%s", why)
        if on_wait is not None:
            on_wait(why)
        self._sleep(PAUSE_SECONDS)
        return True

    def _is_due(self, container: str) -> bool:
        now = self._clock()
        with self._lock:
            if now - self._logged.get(container, float("-inf")) < _LOGGED_SECONDS:
                return False
            self._logged[container] = now
            return True
