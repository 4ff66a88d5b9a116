"""Version numbers, as far as a set-up needs them."""

from __future__ import annotations

import re

Version = tuple[int, ...]

_NUMBERS = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?")


def read_version(text: str | None) -> Version | None:
    """The first version in a program's answer: `v3.259.0`, `go1.26.8`, `uv 0.13.9 (…)`; None if there is none."""
    match = _NUMBERS.search(text or "")
    return tuple(int(number or 0) for number in match.groups()) if match else None


def will_do(found: Version | None, least: Version, *, same_major: bool = False) -> bool:
    """Whether a version is at least `least` and, if requested, of the same major version."""
    return found is not None and found >= least and (not same_major or found[0] == least[0])


def shown(version: Version | None) -> str:
    """`3.259.0`, or `an unknown version`."""
    return ".".join(map(str, version)) if version else "an unknown version"
