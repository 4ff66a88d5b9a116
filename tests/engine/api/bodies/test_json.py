"""JSON as it is pasted, and as nobody means it well."""

import time

import pytest

from vision_customization.engine.api.bodies.json import JSON_BYTES_MAX, loads


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{'a': 'b',}", {"a": "b"}),
        (r"""{'it\'s': 'a "word"'}""", {"it's": 'a "word"'}),
        (r"""{'a': 'b\\"c\u0041\n'}""", {"a": 'b\\"cA\n'}),
        (r"""{"a": "'b',\"}", }""", {"a": "'b',\"}"}),
    ],
)
def test_single_quotes_and_trailing_commas(text: str, expected: object) -> None:
    assert loads(text.encode()) == expected


@pytest.mark.parametrize("text", ["{'a': 'b", r"{'a': 'b\'", '{"a": "b', "{'a': '", "'", "{'a': 'b\\"])
def test_a_string_without_an_end_stays_without_one(text: str) -> None:
    with pytest.raises(ValueError, match=r"line 1 column"):
        loads(text.encode())


@pytest.mark.parametrize(
    ("start", "filling"),
    [
        ('{"a":"', r"\""),
        ("{'a':'", r"\'"),
        ('{"a":', r"\""),
        ("{'a':", '"'),
        ("", "'"),
        ("", "'\""),
        ("[", ", "),
        (",", " "),
        ("{'a':'", "\\"),
        ("", "["),
    ],
)
def test_a_body_of_the_greatest_length_is_refused_at_once(start: str, filling: str) -> None:
    text = start + filling * ((JSON_BYTES_MAX - len(start)) // len(filling))
    started = time.process_time()
    with pytest.raises((ValueError, RecursionError)):
        loads(text.encode())
    assert time.process_time() - started < 2
