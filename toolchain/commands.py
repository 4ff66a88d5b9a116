"""Runs other programs: quiet on success, with their last output on failure, and with progress if it takes long."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from toolchain.errors import ToolchainError

PROGRESS_EVERY_SECONDS = 20.0
_LAST_LINES = 25


def say(text: str) -> None:
    """Print a line for the user, flushed at once even through a pipe."""
    print(text, flush=True)


def duration(seconds: float) -> str:
    """`0.4 s`, `41 s`, `3 min 20 s`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _failure(command: Sequence[str | Path], code: int, lines: Sequence[str], advice: str) -> ToolchainError:
    said = "\n".join(f"    {line}" for line in lines[-_LAST_LINES:]) or "    (it printed nothing)"
    return ToolchainError(f"{Path(command[0]).name} failed with exit status {code}:\n{said}\n{advice}".rstrip())


def run(
    command: Sequence[str | Path],
    *,
    advice: str = "",
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> str:
    """Run a command and return its standard output.

    Raises:
        ToolchainError: it can't be started, or its exit status is not 0; the message has its last lines and `advice`.
    """
    try:
        done = subprocess.run(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    except OSError as error:
        raise ToolchainError(f"{command[0]} can't be started: {error.strerror}\n{advice}".rstrip()) from error
    if done.returncode != 0:
        raise _failure(command, done.returncode, (done.stdout + done.stderr).splitlines(), advice)
    return done.stdout


def probe(command: Sequence[str | Path], *, env: Mapping[str, str] | None = None, timeout_seconds: float = 20) -> str | None:
    """A command's standard output, or None if it is missing, fails or hangs."""
    try:
        done = subprocess.run(
            command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=timeout_seconds
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _keep(stream: Iterable[str], kept: list[str]) -> None:
    for line in stream:
        kept.append(line)  # noqa: PERF402 - the progress counts the lines while they come


def run_with_progress(
    command: Sequence[str | Path],
    progress: Callable[[int, float], str],
    *,
    advice: str,
    cwd: Path,
    env: Mapping[str, str],
) -> str:
    """Run a long command; every 20 s print `progress(lines on standard error so far, seconds so far)`.

    Returns its standard output.

    Raises:
        ToolchainError: as for `run`.
    """
    started = time.monotonic()
    output: list[str] = []
    errors: list[str] = []
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True) as process:
        readers = [
            threading.Thread(target=_keep, args=(stream, kept), daemon=True)
            for stream, kept in ((process.stdout, output), (process.stderr, errors))
        ]
        for reader in readers:
            reader.start()
        try:
            while process.poll() is None:
                try:
                    process.wait(timeout=PROGRESS_EVERY_SECONDS)
                except subprocess.TimeoutExpired:
                    say(f"        {progress(len(errors), time.monotonic() - started)}")
        except BaseException:
            process.terminate()
            raise
        finally:
            for reader in readers:
                reader.join()
    if process.returncode != 0:
        raise _failure(command, process.returncode, [line.rstrip("\n") for line in errors], advice)
    return "".join(output)
