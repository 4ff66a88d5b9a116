"""Documents of any size: what `json` reads, with the same words where it reads nothing, and in little memory."""

import json
import tracemalloc
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vision_customization.contract.coco import streamed
from vision_customization.contract.coco.document import parse_json
from vision_customization.contract.coco.streamed import DocumentChanged, Entries, open_document, read_document

TEXTS = [
    '{"images": [{"id": 1, "file_name": "ä\\n\\"]"}, {"id": 2}], "annotations": [], "categories": [7, null, [1, [2]]]}',
    ' \n{ "images" :\t[ 1 , 12345 , -0.5e3 , true ] , "info" : { "a" : [ ] } }\r\n ',
    '{"images": [1], "images": [2, 3]}',
    '{"images": [1], "images": 5}',
    "{}",
    '{"images": {}, "n": NaN, "m": -Infinity}',
    '{"images": [NaN, Infinity]}',
    "[]",
    "[1, 2",
    "7",
    "",
    "  ",
    '{"images": [1, 2]} x',
    '{"images": [1, 2]',
    '{"images": [1, 2}',
    '{"images": [1 2]}',
    '{"images": [1,, 2]}',
    '{"images": [1, 2,]}',
    '{"images": [,]}',
    '{"images": [{"id": 1,}]}',
    '{"images" [1]}',
    "{images: [1]}",
    '{"images": [1],}',
    '{"images": [1], 5: 6}',
    '{"images": [truth]}',
    '{"images": [1]\n, "x": "\n"}',
    '{"images": ["\\x"]}',
    '{"images": [-]}',
    '{"images": [1.]}',
    f'{{"images": [{"1" * 5000}]}}',
    f'{{"images": {"[" * 100_000}',
]


def lists(value: Any) -> Any:  # noqa: ANN401 - JSON
    return {key: list(each) if isinstance(each, Entries) else each for key, each in value.items()} if value else value


def same(data: bytes) -> None:
    expected, refused = parse_json(data, "train.json")
    found, violation = read_document(BytesIO(data), "train.json")
    assert violation == refused
    assert json.dumps(lists(found) if isinstance(found, dict) else found) == json.dumps(expected)


@pytest.mark.parametrize("window", [1, 3, 256 * 1024])
@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_it_reads_what_json_reads_and_refuses_the_rest_with_the_same_words(
    text: str, window: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streamed, "_WINDOW_BYTES", window)
    same(text.encode())
    same(b"\xef\xbb\xbf" + text.encode())


WORDS = st.sampled_from(["", "a", 'q"', "\\", "ä€😀", "\n", "]", "},"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)


@given(
    document=st.dictionaries(st.sampled_from(["images", "annotations", "x"]), st.lists(VALUES, max_size=6) | VALUES),
    indent=st.none() | st.integers(0, 2),
    ascii_only=st.booleans(),
    cut=st.integers(0, 400),
    put=st.sampled_from([b"", b",", b"]", b"}", b'"', b"\xff", b"\xc3", b"0"]),
    window=st.integers(1, 40),
)
def test_the_same_of_any_document_and_of_a_damaged_one(
    document: dict[str, Any], indent: int | None, ascii_only: bool, cut: int, put: bytes, window: int
) -> None:
    data = json.dumps(document, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "replace")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streamed, "_WINDOW_BYTES", window)
        same(data)
        same(data[:cut] + put + data[cut:])


def test_a_section_can_be_read_again_and_beside_another() -> None:
    document, _ = read_document(BytesIO(b'{"a": [1, 2, 3], "b": [4, 5, 6]}'), "x")
    assert list(zip(document["a"], document["b"], strict=True)) == [(1, 4), (2, 5), (3, 6)]
    assert (list(document["a"]), len(document["b"])) == ([1, 2, 3], 3)


def test_memory_does_not_depend_on_the_number_of_entries(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    entry = json.dumps({"id": 1, "width": 640, "height": 480, "file_name": "a/IMG_0001.jpg"})
    path.write_text(f'{{"images": [{", ".join([entry] * 100_000)}], "annotations": []}}')
    tracemalloc.start()
    try:
        with path.open("rb") as file:
            document, _ = read_document(file, "large.json")
            assert sum(1 for _ in document["images"]) == len(document["images"]) == 100_000
        assert tracemalloc.get_traced_memory()[1] < 4e6
    finally:
        tracemalloc.stop()
    assert path.stat().st_size > 6e6


@pytest.mark.parametrize(
    "later",
    [
        pytest.param(b"", id="emptied"),
        pytest.param(b'{"images": [1, 2', id="half written"),
        pytest.param(b'{"images": [1, 2]}', id="fewer"),
        pytest.param(b'{"images": [1, 2, 3, 4]}', id="more"),
        pytest.param(b'{"info": {}, "images": [1, 2, 3]}', id="moved"),
        pytest.param(b'{"images": [1, \xff, 3]}', id="not UTF-8"),
    ],
)
def test_a_file_that_is_changed_meanwhile_is_refused(tmp_path: Path, later: bytes) -> None:
    file = tmp_path / "train.json"
    file.write_bytes(b'{"images": [1, 2, 3]}')
    document, violation = open_document(file, "train.json")
    assert violation is None
    assert list(document["images"]) == [1, 2, 3]
    file.write_bytes(later)
    with pytest.raises(
        DocumentChanged, match=r"^train\.json: the file was changed while it was read\. Start again when it is complete$"
    ):
        list(document["images"])
