"""How a content is named where it is declared: `sha256:` and the digest of its manifest."""

from __future__ import annotations

import re

CONTENT_PREFIX = "sha256:"

_REFERENCE = re.compile(r"sha256:([0-9a-f]{64})")


def content_reference(digest: str) -> str:
    """The reference to a content: `sha256:9f86d081…`."""
    return f"{CONTENT_PREFIX}{digest}"


def digest_of_reference(text: str) -> str:
    """The digest that a reference names.

    Raises:
        ValueError: it is not a reference; the message is for people.
    """
    match = _REFERENCE.fullmatch(text)
    if match is None:
        raise ValueError(f"must be `{CONTENT_PREFIX}` and the version's digest, 64 hex digits, not {text!r}")
    return match[1]
