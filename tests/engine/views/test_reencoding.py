"""What people see of an image file: its pixels, upright, and nothing else that is in the file."""

import hashlib
import io
import struct
import zipfile
import zlib

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, ImageSequence
from PIL.PngImagePlugin import PngInfo

from tests.engine.views.pictures import difference, encoded, opened, photo, reencoded
from vision_customization.common.image_metadata import upright
from vision_customization.engine.learning import ImageError, decode_image
from vision_customization.engine.learning.errors import CodecError
from vision_customization.engine.learning.images import ImageSizeError
from vision_customization.engine.views.reencoding import THUMBNAIL_SIDE, VIEW_SIDE, jpeg, picture_etag

PAYLOAD = b"<script>alert('payload')</script>"

JPEG_PIXEL_MARKERS = {0xDB, 0xC0, 0xC4, 0xDA}
"""Of quantization tables, the frame, Huffman tables and the scan."""
JFIF = b"\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"


def segments(data: bytes) -> list[tuple[int, bytes]]:
    """A baseline JPEG's segments, marker and whole bytes each, up to its scan. Fails if anything follows the picture."""
    assert data.startswith(b"\xff\xd8")
    found, position = [], 2
    while not found or found[-1][0] != 0xDA:
        assert data[position] == 0xFF
        length = int.from_bytes(data[position + 2 : position + 4])
        found.append((data[position + 1], data[position : position + 2 + length]))
        position += 2 + length
    # In a scan, 0xFF is always followed by zero, so this is the end of the picture, and must be that of the file.
    assert data.index(b"\xff\xd9", position) == len(data) - 2
    return found


def assert_only_pixels(data: bytes) -> None:
    others = [content for marker, content in segments(data) if marker not in JPEG_PIXEL_MARKERS]
    assert others == [JFIF]


@pytest.mark.parametrize(
    ("size", "side", "expected"),
    [
        ((4000, 3000), 256, (256, 192)),
        ((3000, 4000), 256, (192, 256)),
        ((257, 257), 256, (256, 256)),
        ((256, 100), 256, (256, 100)),
        ((100, 50), 256, (100, 50)),  # not enlarged
        ((1, 1), 256, (1, 1)),
        ((10_240, 1), 256, (256, 1)),  # never without a side
        ((3, 3000), 256, (1, 256)),
        ((2400, 1800), 1600, (1600, 1200)),
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_the_longer_side_is_at_most_the_given_one(
    kind: str, size: tuple[int, int], side: int, expected: tuple[int, int]
) -> None:
    picture = reencoded(encoded(Image.new("RGB", size, (90, 120, 60)), kind), side)
    assert (picture.width, picture.height) == opened(picture.data).size == expected
    assert picture.media_type == "image/jpeg"
    assert_only_pixels(picture.data)


@pytest.mark.parametrize("side", [THUMBNAIL_SIDE, VIEW_SIDE])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_picture_looks_like_its_original(kind: str, side: int) -> None:
    original = photo(2000, 1500)
    shown = opened(reencoded(encoded(original, kind), side).data)
    assert difference(shown, original.resize(shown.size, Image.Resampling.LANCZOS)) < 3


def test_thumbnails_from_decoded_pixels_look_like_those_from_files() -> None:
    """As workers make them, which decode an image for its networks."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    original = photo(4000, 3000)
    decoded = decode_image(encoded(upright(original, 8), exif=exif), small_side=THUMBNAIL_SIDE)
    assert decoded.pixels.shape == (750, 1000, 3)
    assert decoded.small is not None
    shown = jpeg(decoded.small, THUMBNAIL_SIDE)
    assert difference(opened(shown), original.resize((256, 192), Image.Resampling.LANCZOS)) < 3
    assert_only_pixels(shown)


INVERSE = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}
"""The turn that an orientation undoes, by orientation."""


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_upright(orientation: int, kind: str) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    data = encoded(upright(photo(640, 400), INVERSE[orientation]), kind, exif=exif)
    picture = reencoded(data, THUMBNAIL_SIDE)
    assert difference(opened(picture.data), photo(640, 400).resize((256, 160))) < 4
    assert_only_pixels(picture.data)


def _animation(kind: str) -> bytes:
    frames = [Image.new("RGB", (60, 60), colour) for colour in ("red", "lime", "blue")]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    assert len(list(ImageSequence.Iterator(Image.open(io.BytesIO(data))))) == 3
    return data


def _sixteen_bits() -> bytes:
    return encoded(Image.fromarray(np.full((60, 60), 257 * 90, "<u2")), "PNG")


def _palette() -> bytes:
    picture = Image.new("P", (60, 60), 0)
    picture.putpalette([10, 20, 30, 200, 30, 40])
    picture.paste(1, (0, 0, 30, 60))
    return encoded(picture, "PNG", transparency=0)


@pytest.mark.parametrize(
    ("data", "left", "right"),
    [
        (_animation("GIF"), (255, 0, 0), (255, 0, 0)),  # its first frame
        (_animation("WEBP"), (255, 0, 0), (255, 0, 0)),
        (encoded(Image.new("RGB", (60, 60), (255, 0, 0)).convert("CMYK")), (255, 0, 0), (255, 0, 0)),
        (_sixteen_bits(), (90, 90, 90), (90, 90, 90)),
        (_palette(), (200, 30, 40), (255, 255, 255)),
        (encoded(Image.new("RGBA", (60, 60), (0, 0, 0, 0)), "PNG"), (255, 255, 255), (255, 255, 255)),
        (encoded(Image.new("LA", (60, 60), (0, 128)), "PNG"), (127, 127, 127), (127, 127, 127)),
        (encoded(Image.new("1", (60, 60), 1), "PNG"), (255, 255, 255), (255, 255, 255)),
    ],
    ids=["gif", "webp", "cmyk", "16 bits", "palette", "transparent", "half transparent", "1 bit"],
)
def test_colours_of_every_mode(data: bytes, left: tuple[int, ...], right: tuple[int, ...]) -> None:
    shown = np.asarray(opened(reencoded(data, THUMBNAIL_SIDE).data).convert("RGB"), int)
    assert np.abs(shown[30, 10] - left).max() <= 8
    assert np.abs(shown[30, 50] - right).max() <= 8


def _jpeg_and(appended: bytes) -> bytes:
    return encoded(photo(300, 200)) + appended


def _zip() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("payload.html", PAYLOAD)
    return target.getvalue()


def _gif_that_is_a_script() -> bytes:
    """`GIF89a/*…*/=1;alert()`: the first bytes after the signature are the width, so it is an image and a script."""
    data = encoded(Image.new("P", (0x2A2F, 20), 0), "GIF", comment=b"*/=1;" + PAYLOAD)
    assert data.startswith(b"GIF89a/*")
    assert PAYLOAD in data
    return data


def _with_gps() -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = PAYLOAD.decode()
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSMapDatum] = PAYLOAD.decode()
    data = encoded(photo(300, 200), exif=exif)
    assert data.count(PAYLOAD) == 2
    return data


def _with_profile() -> bytes:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return encoded(photo(300, 200), icc_profile=profile + PAYLOAD)


def _with_texts() -> bytes:
    texts = PngInfo()
    texts.add_text("Comment", PAYLOAD.decode())
    texts.add_itxt("XML:com.adobe.xmp", PAYLOAD.decode())
    return encoded(photo(300, 200), "PNG", pnginfo=texts)


def _with_markup_in_pixels() -> bytes:
    """Stored without compression, a picture's pixels can be any bytes, so also markup."""
    width = len(PAYLOAD) // 3
    return encoded(Image.frombytes("RGB", (width, 20), PAYLOAD[: 3 * width] * 20), "TIFF")


@pytest.mark.parametrize(
    ("data", "payload"),
    [
        (_jpeg_and(b"<html>" + PAYLOAD), PAYLOAD),
        (_jpeg_and(_zip()), PAYLOAD),
        (_jpeg_and(_jpeg_and(PAYLOAD)), PAYLOAD),
        (encoded(photo(300, 200), "PNG") + PAYLOAD, PAYLOAD),
        (_gif_that_is_a_script(), PAYLOAD),
        (encoded(photo(300, 200), comment=PAYLOAD), PAYLOAD),
        (_with_gps(), PAYLOAD),
        (encoded(photo(300, 200), xmp=PAYLOAD), PAYLOAD),
        (_with_profile(), PAYLOAD),
        (_with_texts(), PAYLOAD),
        (_with_markup_in_pixels(), PAYLOAD[:30]),
    ],
    ids=["html", "zip", "jpeg", "png", "gif script", "comment", "gps", "xmp", "profile", "png texts", "markup as pixels"],
)
@pytest.mark.parametrize("side", [THUMBNAIL_SIDE, VIEW_SIDE])
def test_nothing_of_a_file_remains_but_pixels(data: bytes, payload: bytes, side: int) -> None:
    assert payload in data
    shown = reencoded(data, side).data
    assert_only_pixels(shown)
    for part in range(len(payload) - 7):
        assert payload[part : part + 8] not in shown


def _png_that_claims(width: int, height: int) -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(10_000_000), 9))


def _truncated(kind: str) -> bytes:
    data = encoded(photo(300, 200), kind)
    return data[: len(data) // 2]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "not an image of a supported type"),
        (b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>", "not an image of a supported type"),
        (b"<!doctype html><script>alert(1)</script>", "not an image of a supported type"),
        (b"%PDF-1.7 " + bytes(100), "not an image of a supported type"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "not an image of a supported type"),
        (_zip(), "not an image of a supported type"),
        (b"", "empty"),
        (_truncated("JPEG"), "damaged or truncated"),
        (_truncated("PNG"), "damaged or truncated"),
        (_truncated("GIF"), "damaged or truncated"),
        (_truncated("WEBP"), "damaged or truncated|not an image"),
        (_truncated("TIFF"), "damaged or truncated"),
    ],
)
def test_what_is_not_an_image_is_refused(data: bytes, says: str) -> None:
    with pytest.raises(ImageError, match=says):
        reencoded(data, THUMBNAIL_SIDE)


@pytest.mark.parametrize(
    ("size", "says"),
    [
        ((13_377, 13_377), "only images of at most 104,857,600 pixels can be shown"),  # 178 megapixels in 12 kB
        ((16_000, 6_554), "only images of at most"),
        ((16_001, 1), "each side must be 1 to 16,000"),
    ],
)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")  # the engine ignores it, too
def test_too_many_pixels_are_refused_before_they_are_decoded(
    size: tuple[int, int], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = _png_that_claims(*size)
    assert len(data) < 12_000

    def decoded(*_: object) -> None:
        raise AssertionError("the picture was decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", decoded)
    with pytest.raises(ImageSizeError, match=says):
        reencoded(data, THUMBNAIL_SIDE)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")  # the engine ignores it, too
def test_the_largest_training_image_is_shown() -> None:
    picture = reencoded(encoded(Image.new("1", (10_240, 10_240), 1), "PNG"), THUMBNAIL_SIDE)
    assert (picture.width, picture.height) == (256, 256)


def test_a_missing_codec_is_not_the_images_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(photo())
    monkeypatch.delattr(Image.core, "jpeg_decoder")
    with pytest.raises(CodecError, match="can't be decoded here"):
        reencoded(data, THUMBNAIL_SIDE)


def test_the_tag_of_a_picture_is_known_before_it_is_made() -> None:
    data = encoded(photo())
    thumbnail, view = reencoded(data, THUMBNAIL_SIDE), reencoded(data, VIEW_SIDE)
    assert thumbnail.sha256 == hashlib.sha256(data).hexdigest()
    assert thumbnail.etag == picture_etag(thumbnail.sha256, 256) == f'W/"{thumbnail.sha256}-256"'
    assert view.etag == f'W/"{thumbnail.sha256}-1600"'
