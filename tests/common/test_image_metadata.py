"""Bad metadata does not spoil a good image, to the client and to the engine alike."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from vision_customization.common.image_metadata import essential_png
from vision_customization.customization.datasets.image_facts import read_image
from vision_customization.customization.errors import ImageUnreadable
from vision_customization.engine.learning import ImageError, decode_image

SIZE = (40, 30)


def chunk(name: bytes, content: bytes, *, damaged: bool = False) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content) ^ damaged)


def png(extra: bytes = b"", orientation: int | None = None) -> bytes:
    """A PNG file with further chunks after its header."""
    stream = io.BytesIO()
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    Image.linear_gradient("L").resize(SIZE).save(stream, "PNG", exif=exif)
    data = stream.getvalue()
    return data[:33] + extra + data[33:]


LONG_TEXT = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(2_000_000)))


@pytest.mark.parametrize(
    "extra",
    [
        pytest.param(chunk(b"eXIf", b"not EXIF"), id="eXIf that is not EXIF"),
        pytest.param(chunk(b"eXIf", b"MM\0*\0\0\0\x08\xff\xff"), id="eXIf that ends early"),
        pytest.param(chunk(b"eXIf", b"MM\0*\0\0\0\x08\0\0", damaged=True), id="eXIf of another checksum"),
        pytest.param(LONG_TEXT, id="2 MB of text"),
        pytest.param(chunk(b"iTXt", b"x", damaged=True), id="text of another checksum"),
    ],
)
def test_bad_metadata_is_ignored(extra: bytes) -> None:
    data = png(extra)
    facts = read_image(data)
    assert (facts.width, facts.height, facts.turned) == (*SIZE, False)
    np.testing.assert_array_equal(decode_image(data).pixels, decode_image(png()).pixels)


def test_the_orientation_counts_even_beside_bad_metadata() -> None:
    data = png(LONG_TEXT, orientation=6)
    assert read_image(data).turned
    assert decode_image(data).pixels.shape == (*SIZE, 3)


def test_damage_of_the_image_itself_is_still_damage() -> None:
    data = png(chunk(b"tEXt", b"a\0b"))
    data = data[: data.index(b"IDAT") + 20]
    assert b"tEXt" not in (essential_png(data) or b"tEXt")
    with pytest.raises(ImageUnreadable, match="damaged"):
        read_image(data)
    with pytest.raises(ImageError, match="damaged"):
        decode_image(data)


def test_what_has_nothing_to_leave_out() -> None:
    assert essential_png(png()) is None
    assert essential_png(b"GIF89a") is None
