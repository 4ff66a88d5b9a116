import pytest

from vision_customization.engine.api.bodies.multipart import parts

FORM = (
    b'--x\r\nContent-Disposition: form-data; name="model"; filename="a \xc3\xb6.onnx"\r\n\r\n\x00\r\n--y\r\n\r\n'
    b"--x\r\ncontent-disposition: form-data; filename=b; NAME=metadata\r\n\r\n{}\r\n"
    b"--x\r\nContent-Type: text/plain\r\n\r\n"
)


@pytest.mark.parametrize(("before", "end"), [(b"", b"\r\n--x--\r\n"), (b"preamble\r\n", b"\r\n--x--"), (b"\r\n", b"")])
def test_parts_have_names_and_places(before: bytes, end: bytes) -> None:
    body = before + FORM + end
    found = [(part.name, part.is_file, body[part.start : part.stop]) for part in parts(body, "multipart/form-data; boundary=x")]
    assert found == [("model", True, b"\x00\r\n--y\r\n"), ("metadata", True, b"{}"), ("", False, b"")]
