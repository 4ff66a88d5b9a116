"""Forms as clients send them, well and badly."""

import pytest

from vision_customization.engine.api.bodies import multipart
from vision_customization.engine.api.bodies.multipart import PARTS_MAX, parts

FORM = (
    b'--x\r\nContent-Disposition: form-data; name="model"; filename="a \xc3\xb6.onnx"\r\n\r\n\x00\r\n--y\r\n\r\n'
    b"--x\r\ncontent-disposition: form-data; filename=b; NAME=metadata\r\n\r\n{}\r\n"
    b"--x\r\nContent-Type: text/plain\r\n\r\n"
)
CONTENT_TYPE = "multipart/form-data; boundary=x"

Found = list[tuple[str, bool, bytes]]
"""Of each part its name, whether it is a file, and its content."""


def found(body: bytes, content_type: str = CONTENT_TYPE) -> Found:
    return [(part.name, part.is_file, body[part.start : part.stop]) for part in parts(body, content_type)]


@pytest.mark.parametrize(("before", "end"), [(b"", b"\r\n--x--\r\n"), (b"preamble\r\n", b"\r\n--x--"), (b"\r\n", b"")])
@pytest.mark.parametrize("chunk_bytes", [1, 2, 3, 7, 64, 1024])
def test_parts_have_names_and_places(before: bytes, end: bytes, chunk_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multipart, "_CHUNK_BYTES", chunk_bytes)
    assert found(before + FORM + end) == [
        ("model", True, b"\x00\r\n--y\r\n"),
        ("metadata", True, b"{}"),
        ("", False, b""),
    ]


@pytest.mark.parametrize(
    ("head", "name", "is_file"),
    [
        (b'Content-Disposition: form-data; name="model"', "model", False),
        (b"Content-Disposition: form-data; name=model", "model", False),
        (b"Content-Disposition:form-data;name=model;filename=f", "model", True),
        (b'content-disposition: FORM-DATA; NAME = "model" ; FileName="f"', "model", True),
        (b'Content-Disposition: form-data; filename="f"; name="model"', "model", True),
        # A name in another header is not the part's.
        (b'Content-Type: image/jpeg; name="x.jpg"\r\nContent-Disposition: form-data; name="model"', "model", False),
        (b'Content-Disposition: form-data; name="model"\r\nContent-Type: image/jpeg; name="x.jpg"', "model", False),
        (b'Content-Type: image/jpeg; name="model"; filename="f"', "", False),
        (b'X-Note: filename\r\nContent-Disposition: form-data; name="model"', "model", False),
        (b'X-Content-Disposition: form-data; name="other"\r\nContent-Disposition: form-data; name="model"', "model", False),
        # Nor is one in another parameter.
        (b'Content-Disposition: form-data; filename="my name=foo.onnx"; name="model"', "model", True),
        (b'Content-Disposition: form-data; filename="a; name=foo.onnx"; name="model"', "model", True),
        (b'Content-Disposition: form-data; filename="a\\"; name=\\"b.onnx"; name="model"', "model", True),
        (b'Content-Disposition: form-data; filename="\\"; name=\\"b"', "", True),
        (b'Content-Disposition: form-data; xname="other"; name="model"', "model", False),
        (b'Content-Disposition: form-data; name="filename"', "filename", False),
        # Characters beyond ASCII: as browsers send them, and in the form of RFC 2231.
        ('Content-Disposition: form-data; name="mödel"'.encode(), "mödel", False),
        (b'Content-Disposition: form-data; name="m\xf6del"', "m\ufffddel", False),
        (b"Content-Disposition: form-data; name*=utf-8''m%C3%B6del; filename*=utf-8''%C3%B6.onnx", "mödel", True),
        (b"Content-Disposition: form-data; name=\"model\"; name*=utf-8''other", "model", False),
        (b"Content-Disposition: form-data; name*0=mo; name*1=del", "model", False),
        (b"Content-Disposition: form-data; name*=utf-8''a; name*0=b", "", False),
        (b"Content-Disposition: form-data; name*=nonsense''model", "model", False),
        # No name.
        (b"Content-Disposition: form-data", "", False),
        (b"Content-Disposition: form-data; name", "", False),
        (b'Content-Disposition: form-data; name=""', "", False),
        (b"Content-Disposition:", "", False),
        (b"Content-Type: text/plain", "", False),
        # Quotes that do not close.
        (b'Content-Disposition: form-data; name="model', '"model', False),
        # Spaces and semicolons within.
        (b'Content-Disposition: form-data; name="my model; v2"', "my model; v2", False),
    ],
)
def test_the_name_of_a_part(head: bytes, name: str, is_file: bool) -> None:
    assert found(b"--x\r\n" + head + b"\r\n\r\n1\r\n--x--") == [(name, is_file, b"1")]


PART = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n'


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", []),
        (b"no parts", []),
        (b"--x--\r\n", []),
        (b"--y\r\n\r\n1\r\n--y--", []),
        (PART + b"1\r\n--x--", [("a", False, b"1")]),
        (PART + b"\r\n--x--", [("a", False, b"")]),
        (PART + b"\r\n--x\r\n--x-\r\n--x--", [("a", False, b"")]),
        (PART + b"1\r\n" + PART + b"2\r\n--x--", [("a", False, b"1"), ("a", False, b"2")]),  # twice: both are there
        (PART + b"\r\n--x" + b"y\r\n--x--", [("a", False, b"\r\n--xy")]),
        # Before the first delimiter and after the last: nobody's.
        (b"preamble --x\r\n" + PART + b"1\r\n--x--\r\nepilogue\r\n" + PART, [("a", False, b"1")]),
        (b"\r\n\r\n" + PART + b"1\r\n--x--", [("a", False, b"1")]),
        # Cut off: within the content, within the delimiter, within a head.
        (PART, [("a", False, b"")]),
        (PART + b"1", [("a", False, b"1")]),
        (PART + b"1\r\n--x", [("a", False, b"1")]),
        (PART + b"1\r\n--x-", [("a", False, b"1")]),
        (PART + b"1\r\n--x\r\nContent-Dis", [("a", False, b"1")]),
        (b"--x\r\nContent-Dis", []),
        (b"--x", []),
        # A malformed head ends the form.
        (PART + b"1\r\n--x\r\nno header\r\n\r\n2\r\n--x--", [("a", False, b"1")]),
        (b"--x\r\n: 1\r\n\r\n2\r\n--x--", []),
        # Lines that end in a line feed alone are not delimiters.
        (PART.replace(b"\r", b"") + b"1\n--x--", []),
    ],
)
@pytest.mark.parametrize("chunk_bytes", [1, 5, 1024])
def test_a_form_that_is_not_whole(body: bytes, expected: Found, chunk_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multipart, "_CHUNK_BYTES", chunk_bytes)
    assert found(body) == expected


@pytest.mark.parametrize(
    ("content_type", "read"),
    [
        ("multipart/form-data; boundary=x", True),
        ('multipart/form-data;BOUNDARY="x"', True),
        ('multipart/form-data; note="; boundary=y"; boundary=x', True),
        ("multipart/form-data; charset=utf-8; boundary=x", True),
        ("multipart/form-data", False),
        ("multipart/form-data; boundary=", False),
        ("multipart/form-data; boundary=y", False),
        ("multipart/form-data; xboundary=x", False),
        (f"multipart/form-data; boundary={'x' * 1000}", False),
        ("multipart/form-data; boundary=ö", False),
    ],
)
def test_the_boundary(content_type: str, read: bool) -> None:
    assert found(PART + b"1\r\n--x--", content_type) == ([("a", False, b"1")] if read else [])


def test_a_form_has_so_many_parts() -> None:
    assert len(parts((PART + b"1\r\n") * PARTS_MAX + b"--x--", CONTENT_TYPE)) == PARTS_MAX
    assert len(parts((PART + b"1\r\n") * 10_000 + b"--x--", CONTENT_TYPE)) == PARTS_MAX


@pytest.mark.parametrize(
    "head",
    [b"A" * 20_000 + b": b", b"A: " + b"b" * 20_000, b"A: b\r\n" * 10_000 + b"A: b"],
    ids=["field", "value", "headers"],
)
def test_the_head_of_a_part_is_bounded(head: bytes) -> None:
    assert found(PART + b"1\r\n--x\r\n" + head + b"\r\n\r\n2\r\n--x--") == [("a", False, b"1")]


def test_content_is_found_wherever_a_chunk_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """What looks like a delimiter until the next chunk comes."""
    content = b"\r\n--\r\n-\r\r\n--y\r\n--\r\n\r\n--"
    for chunk_bytes in range(1, 40):
        monkeypatch.setattr(multipart, "_CHUNK_BYTES", chunk_bytes)
        assert found(PART + content + b"\r\n--x--") == [("a", False, content)]
