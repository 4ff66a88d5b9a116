"""Names that can't be stored, that look alike, and that would steer a terminal."""

import json
import unicodedata

import pytest

from vision_customization.contract.names import name_text_fault, near_twins, printable, printable_json, shown_twins

NFC, NFD = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["Fork", "fork "], [("Fork", "fork ")]),
        (["a b", "A  B", "ab"], [("a b", "A  B")]),
        ([NFC, NFD], [(NFC, NFD)]),
        (["fork", "fork", "forks"], []),
    ],
)
def test_names_that_look_alike(names: list[str], expected: list[tuple[str, str]]) -> None:
    assert near_twins(names) == expected


def test_twins_that_look_the_same_are_shown_by_their_codes() -> None:
    assert shown_twins("Fork", "fork") == "'Fork' and 'fork'"
    assert shown_twins(NFC, NFD) == rf"'{NFC}' ('\xe9') and '{NFD}' ('e\u0301')"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Löffel 🍴", None),
        ("a\0", "has a NUL character"),
        ("\ud83c", "has half of a surrogate pair, so it is not Unicode text"),
    ],
)
def test_what_can_not_be_stored(text: str, expected: str | None) -> None:
    assert name_text_fault(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Löffel\u00a0🍴\n", "Löffel\u00a0🍴\n"),
        ("\x1b[31m", r"\x1b[31m"),
        ("\x9b\u202e\x7f", r"\x9b\u202e\x7f"),
        ("\udce9t", r"\udce9t"),
    ],
)
def test_what_steers_a_terminal_is_escaped(text: str, expected: str) -> None:
    assert printable(text) == expected
    as_json = printable_json(json.dumps(text, ensure_ascii=False))
    assert json.loads(as_json) == text
    assert printable(as_json) == as_json
