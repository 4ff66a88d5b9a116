"""Run a preview or a drift check through the Pulumi CLI, showing its output, and write the Markdown."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from pipeline.events import Preview, read_events
from pipeline.markdown import drift_markdown, preview_markdown
from toolchain.commands import say
from toolchain.places import Places
from toolchain.steps import replace_text

_LAST_LINES = 20

KINDS = {
    "preview": (("preview",), preview_markdown),
    "drift": (("refresh", "--preview-only", "--expect-no-changes"), drift_markdown),
}


def file_of(kind: str, stack: str, places: Places) -> Path:
    """The path of a stack's Markdown."""
    return places.state / stack / f"{kind}.md"


def run(kind: str, stack: str, places: Places, options: Sequence[str] = ()) -> int:
    """Run it; returns the CLI's exit status."""
    command, write = KINDS[kind]
    with tempfile.TemporaryDirectory(prefix="vision-events-") as folder:
        # In a folder that only this user can read: the engine's debug messages contain secrets.
        log = Path(folder) / "events.jsonl"
        code, said = _pulumi([*command, "--stack", stack, *options, "--event-log", str(log)], places)
        # Invalid bytes would come from a CLI that was killed in the middle of a line.
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    preview: Preview = read_events(lines)
    file = file_of(kind, stack, places)
    replace_text(file, write(preview, stack, said=said))
    say(f"As Markdown: {os.path.relpath(file, places.checkout)}")
    return code


def _pulumi(arguments: Sequence[str], places: Places) -> tuple[int, list[str]]:
    """Run the CLI, showing its output; returns its exit status and the last lines of its standard error."""
    # The CLI accepts --event-log only with its debug commands enabled.
    environ = {**os.environ, "PULUMI_DEBUG_COMMANDS": "true"}
    command = [str(places.programs / "pulumi"), *arguments]
    said: list[str] = []
    with subprocess.Popen(
        command, cwd=places.checkout, env=environ, stderr=subprocess.PIPE, text=True, errors="replace"
    ) as process:
        try:
            for line in process.stderr or ():
                sys.stderr.write(line)
                said.append(line.rstrip("\n"))
        except KeyboardInterrupt:  # the CLI gets the signal, too, and ends by itself
            process.wait()
            return 130, said[-_LAST_LINES:]
    return process.returncode, said[-_LAST_LINES:]
