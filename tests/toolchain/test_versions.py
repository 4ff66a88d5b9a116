"""Which versions are read from a program's answer, and which will do."""

import pytest

from toolchain.versions import Version, read_version, shown, will_do


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("v3.259.0", (3, 259, 0)),
        ("go1.26.8\nauto", (1, 26, 8)),
        ("uv 0.13.9 (x86_64-unknown-linux-gnu)", (0, 13, 9)),
        (">=22.0", (22, 0, 0)),
        ("go1.26", (1, 26, 0)),
        ("v3.260.0-alpha.x1", (3, 260, 0)),
        ("command not found", None),
        ("", None),
        (None, None),
    ],
)
def test_read_version(text: str | None, version: Version | None) -> None:
    assert read_version(text) == version


@pytest.mark.parametrize(
    ("found", "least", "same_major", "answer"),
    [
        ((3, 259, 0), (3, 259, 0), True, True),
        ((3, 300, 1), (3, 259, 0), True, True),
        ((3, 258, 9), (3, 259, 0), True, False),
        ((4, 0, 0), (3, 259, 0), True, False),
        ((24, 1, 0), (22, 0, 0), False, True),
        ((9, 99, 99), (10, 0, 0), False, False),  # by number, not by letter
        (None, (1, 0, 0), False, False),
    ],
)
def test_will_do(found: Version | None, least: Version, same_major: bool, answer: bool) -> None:
    assert will_do(found, least, same_major=same_major) is answer


def test_shown() -> None:
    assert shown((3, 259, 0)) == "3.259.0"
    assert shown(None) == "an unknown version"
