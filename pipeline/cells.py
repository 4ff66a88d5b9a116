"""Text as it may stand in a cell of a Markdown table, or in a line of prose: without secrets, markup, mentions and links."""

from __future__ import annotations

import re
from collections.abc import Sequence

from vision_customization.common.redaction import redacted

_SHOWN_ROWS = 150


def code(text: str) -> str:
    """A text without secrets, as a code span for a table cell."""
    flat = " ".join(redacted(text).split()).replace("|", "\\|")
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", flat)), default=0))
    return f"{fence}{flat}{fence}" if fence == "`" else f"{fence} {flat} {fence}"


def plain(text: str) -> str:
    """A text as one line of prose, without secrets, markup, mentions and links."""
    flat = " ".join(redacted(text).split())
    escaped = re.sub(r"([\\`*_\[\]|~#])", r"\\\1", flat)
    # The invisible zero-width space prevents a mention.
    return (
        escaped.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace("@", "@\u200b")
        .replace("://", ":\u200b//")
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table, without its last rows where it is very long; none without rows."""
    if not rows:
        return []
    shown = rows[:_SHOWN_ROWS]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *(f"| {' | '.join(row)} |" for row in shown)]
    return [*lines, "", f"… and {len(rows) - len(shown)} more"] if len(rows) > len(shown) else lines
