"""Names that people gave: which can't be stored, which are probably a mistake, and how to show them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable


def name_text_fault(text: str) -> str | None:
    """Why a tag or path can't be stored as text: `has a NUL character`; None if it can."""
    if "\0" in text:
        return "has a NUL character"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "has half of a surrogate pair, so it is not Unicode text"
    return None


def has_control_characters(text: str) -> bool:
    return not text.isprintable() and any(_is_hidden(character) for character in text)


def printable(text: str) -> str:
    r"""The text with every character that steers a terminal, or can't be printed, as an escape: `\x1b`, `\udc80`."""
    if text.isprintable():
        return text
    return "".join(
        character if character in "\n\t" or not _is_hidden(character) else repr(character)[1:-1] for character in text
    )


def printable_json(text: str) -> str:
    """The same JSON; characters that `printable` escapes are escaped as JSON does it."""
    if text.isascii() and "\x7f" not in text:
        return text
    return "".join(
        character if character == "\n" or not _is_hidden(character) else f"\\u{ord(character):04x}" for character in text
    )


def near_twins(names: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of names that differ only by letter case, blanks or Unicode form; the first of each comes first in `names`."""
    first: dict[str, str] = {}
    pairs = []
    for name in dict.fromkeys(names):
        twin = first.setdefault(_folded(name), name)
        if twin != name:
            pairs.append((twin, name))
    return pairs


def shown_twins(one: str, other: str) -> str:
    """`'Fork' and 'fork '`; if only the Unicode form differs, in which the two look the same, with the characters' codes."""
    if unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other):
        return f"{one!r} ({one!a}) and {other!r} ({other!a})"
    return f"{one!r} and {other!r}"


def _folded(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def _is_hidden(character: str) -> bool:
    """Control characters, marks that change the direction of writing, and halves of surrogate pairs."""
    return (
        unicodedata.category(character) in ("Cc", "Cs")
        or character in "\u061c\u200e\u200f\u2028\u2029"
        or ("\u202a" <= character <= "\u202e" or "\u2066" <= character <= "\u2069")
    )
