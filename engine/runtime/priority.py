"""Threads that give way to the other threads of their process."""

import os
import sys
import threading
from contextlib import suppress

NICENESS = 10
"""By how much the calling thread becomes nicer: beside a thread of usual priority it gets a tenth of a core."""


def give_way() -> None:
    """Lower the priority of the calling thread. Only Linux has priorities per thread; elsewhere nothing changes."""
    if sys.platform == "linux":
        with suppress(OSError):
            niceness = min(19, os.getpriority(os.PRIO_PROCESS, 0) + NICENESS)
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), niceness)
