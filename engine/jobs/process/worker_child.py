"""A worker as a child of `vision-engine serve`: `python -m` this module, and the parent's pid; settings from the environment.

It has the lowest priority, so that a training uses only the time that analyze leaves. It ends with its parent, however that
ends.
"""

import ctypes
import os
import signal
import sys

from vision_customization.engine.errors import EngineError
from vision_customization.engine.runtime.logs import configure_logs
from vision_customization.engine.settings import Settings

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_NICENESS = 19


def die_with(parent: int) -> None:
    """Make the kernel kill this process when `parent` ends; if it has ended already, exit now."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(0)


def main() -> int:
    die_with(int(sys.argv[1]))
    os.setpriority(os.PRIO_PROCESS, 0, _NICENESS)
    settings = Settings.from_environment()
    configure_logs(settings.log_level)
    from vision_customization.engine.jobs.process.worker import run_worker

    try:
        run_worker(settings)
    except EngineError as error:
        print(f"the worker cannot start: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
