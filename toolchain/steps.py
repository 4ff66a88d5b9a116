"""Steps of a set-up: each runs once, and again only if its sources changed or its results are missing."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from toolchain.commands import duration, say


@dataclass(frozen=True)
class Made:
    """A step's result: files that must stay, and a remark for the user."""

    files: tuple[Path, ...]
    remark: str = ""


@dataclass(frozen=True)
class Step:
    """`sources` is the digest of everything the result depends on; `estimate` is the duration of a first run."""

    name: str
    title: str
    estimate: str
    sources: str
    make: Callable[[], Made]


def digest_of(*parts: str | Path) -> str:
    """SHA-256 over texts and the contents of files, in order; a missing file differs from an empty one."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part.read_bytes() if part.exists() else None
        total.update(b"absent;" if data is None else b"%d;%s" % (len(data), data))
    return total.hexdigest()


def replace_text(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file atomically: readers see the old or the new one, and an interruption leaves the old one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w") as file:
        file.write(text)
    Path(temporary).chmod(mode)
    Path(temporary).replace(path)


@contextlib.contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A folder that becomes `target` atomically if the block succeeds, and is removed if it fails."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as around:
        folder = Path(around) / target.name
        folder.mkdir()
        yield folder
        if target.exists():
            target.rename(Path(around) / "former")
        folder.rename(target)


@contextlib.contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Hold a lock file, so that two set-ups never write the same folder; reports when it has to wait."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = lock.read_text().strip() or "another process"
            say(f"Another set-up is running ({holder}); waiting for it …")
            started = time.monotonic()
            fcntl.flock(file, fcntl.LOCK_EX)
            say(f"      waited {duration(time.monotonic() - started)}")
        file.truncate(0)
        file.write(f"process {os.getpid()} in {Path.cwd()}\n")
        file.flush()
        yield


def read_stamps(path: Path) -> dict[str, dict[str, object]]:
    """The record of earlier runs, by step; empty if the file is missing or damaged."""
    try:
        stamps = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return stamps if isinstance(stamps, dict) else {}


def is_done(step: Step, stamps: Mapping[str, Mapping[str, object]]) -> bool:
    """Whether a step was done with the same sources and all its files exist."""
    stamp = stamps.get(step.name, {})
    files = stamp.get("files")
    return stamp.get("sources") == step.sources and isinstance(files, list) and all(Path(file).exists() for file in files)


def do_steps(steps: Sequence[Step], stamps_file: Path, lock: Path) -> int:
    """Run the steps that are not done yet, holding `lock`; returns their number. If all are done, it skips the lock.

    Raises:
        ToolchainError: a step failed; the steps before it stay done.
    """
    stamps = read_stamps(stamps_file)
    if all(is_done(step, stamps) for step in steps):
        return 0
    with alone(lock):
        return _do_each(steps, stamps_file)


def _do_each(steps: Sequence[Step], stamps_file: Path) -> int:
    done = 0
    for number, step in enumerate(steps, start=1):
        stamps = read_stamps(stamps_file)
        if is_done(step, stamps):
            continue
        say(f"[{number}/{len(steps)}] {step.title} ({step.estimate}) …")
        started = time.monotonic()
        made = step.make()
        stamps[step.name] = {"sources": step.sources, "files": [str(file) for file in made.files]}
        replace_text(stamps_file, json.dumps(stamps, indent=2) + "\n")
        say(f"      done in {duration(time.monotonic() - started)}{': ' + made.remark if made.remark else ''}")
        done += 1
    return done
