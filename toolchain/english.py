"""The worst habits of this project's English, found by their words: part of `make lint`. CONTRIBUTING.md has the rules."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

HABITS = (
    # `there is no file`, and `is no longer there`, are fine.
    (r"(?<!there )\b(?:is|are|was) no (?!longer\b|more\b|less\b|better\b)", "write `is not a`"),
    (r"\b(?:whoever|whomever)\b", "name who does it: `anyone who`, `the caller`"),
    (r"\banew\b", "write `again`"),
    (r"\bparted\b|\bparting\b", "write `split`"),
    (r"\bhardly meant\b", "write `probably a mistake`"),
    (r"\bso many times as (?:wide|high|large)\b", "write `N times as wide`"),
    (r"\bis nobody's\b", "write what it is: `an orphan`"),
    (r"\bimages a tag\b", "write `images per tag`"),
)
"""Regular expressions of what makes a reader stumble, and what to write instead."""

_SUFFIXES = (".md", ".py", ".yml", ".yaml", ".toml")


def habits_in(text: str) -> list[tuple[int, str, str]]:
    """The line's number from 1, the words that were found, and what to write, for each habit in a text."""
    return [
        (number, found[0], better)
        for number, line in enumerate(text.splitlines(), 1)
        for pattern, better in HABITS
        for found in re.finditer(pattern, line, re.IGNORECASE)
    ]


def main() -> int:
    """Print each habit in the files that git knows; 1 where there is one."""
    listed = subprocess.run(["git", "ls-files", "-z"], capture_output=True, text=True, check=True).stdout
    files = [Path(name) for name in listed.split("\0") if name.endswith(_SUFFIXES) and Path(name).is_file()]
    faults = [
        f"{file}:{number}: `{found}`: {better}"
        for file in files
        if file.name not in ("english.py", "test_english.py")
        for number, found, better in habits_in(file.read_text("utf-8"))
    ]
    print("\n".join(faults), end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
