"""The processes that a project has running."""

from pathlib import Path

import psutil


def processes_in(folder: Path) -> list[str]:
    """The command lines of the processes that work on `folder`."""
    return [line for line, _ in running_in(folder)]


def running_in(folder: Path) -> list[tuple[str, psutil.Process]]:
    """The processes that work on `folder`, each behind its command line. One that has ended has no such line any more."""
    lines = [(" ".join(process.info["cmdline"] or []), process) for process in psutil.process_iter(["cmdline"])]
    return [(line, process) for line, process in lines if str(folder) in line]
