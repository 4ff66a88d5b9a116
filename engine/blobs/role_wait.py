"""Waits for a role: a role that was just assigned to the engine's identity takes effect only after minutes. Until then storage
answers 403 with the code of a missing role, as it does to an identity without the role."""

import logging
import threading
import time
from collections.abc import Callable

PAUSE_SECONDS = 5.0
_LOGGED_SECONDS = 60.0

_log = logging.getLogger(__name__)


class RoleWait:
    """Decides how long one reader waits for roles, and logs it; all threads of the reader share the log lines.

    Args:
        seconds: longest wait for one blob; 0 for callers that must not wait.
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
        """Pause before another attempt, and call `on_wait` with the reason. False if the attempt would be later than `seconds`
        after `began`, or later than `within_seconds` from now."""
        if self._clock() - began + PAUSE_SECONDS > self.seconds or within_seconds <= PAUSE_SECONDS:
            return False
        why = (
            f"Waiting for a role: {identity} gets 403 from {container}. A new role takes minutes to take effect; the engine "
            f"retries for up to {self.seconds / 60:g} minutes."
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
