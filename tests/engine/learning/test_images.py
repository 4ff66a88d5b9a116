import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import ExifTags, Image

from engine.learning import ImageError, decode_image

Encode = Callable[..., bytes]

LOSSLESS = [("PNG", {}), ("BMP", {}), ("TIFF", {}), ("WEBP", {"lossless": True}), ("ICO", {"sizes": [(120, 80)]})]


@pytest.mark.parametrize(("format_name", "options"), LOSSLESS)
def test_lossless_formats_give_the_pixels_back(
    format_name: str, options: dict[str, object], photo: Image.Image, encode: Encode
) -> None:
    decoded = decode_image(encode(photo, format_name, **options))
    assert (decoded.width, decoded.height) == (120, 80)
    assert decoded.pixels.dtype == np.uint8
    np.testing.assert_array_equal(decoded.pixels, np.asarray(photo))


@pytest.mark.parametrize(("format_name", "tolerance"), [("JPEG", 8), ("GIF", 40), ("MPO", 8)])
def test_lossy_formats_give_about_the_pixels(format_name: str, tolerance: int, photo: Image.Image, encode: Encode) -> None:
    decoded = decode_image(encode(photo, format_name))
    assert np.abs(decoded.pixels.astype(int) - np.asarray(photo)).mean() < tolerance


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("L", 100, 100),
        ("1", 1, 255),
        ("P", 0, 0),
        ("RGBA", (0, 0, 0, 0), 255),  # transparent black lies on white paper
        ("LA", (10, 255), 10),
        ("I;16", 257 * 90, 90),
        ("I", 200, 200),  # small values in 32 bits are eight bits
    ],
)
def test_every_mode_becomes_rgb(mode: str, colour: object, expected: int, encode: Encode) -> None:
    image = Image.new(mode, (60, 60), colour)  # type: ignore[arg-type]
    decoded = decode_image(encode(image, "TIFF" if mode == "I" else "PNG"))
    assert decoded.pixels.shape == (60, 60, 3)
    assert np.abs(decoded.pixels.astype(int) - expected).max() <= 1


def test_cmyk_and_real_numbers_become_rgb(encode: Encode) -> None:
    assert decode_image(encode(Image.new("CMYK", (60, 60), (0, 0, 0, 0)), "JPEG")).pixels.min() > 250
    ramp = Image.fromarray(np.linspace(-3, 5, 3600, dtype=np.float32).reshape(60, 60))
    decoded = decode_image(encode(ramp, "TIFF")).pixels
    assert (decoded.min(), decoded.max()) == (0, 255)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int, photo: Image.Image, encode: Encode) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    decoded = decode_image(encode(photo, "PNG", exif=exif))
    turned = orientation >= 5
    assert (decoded.width, decoded.height) == ((80, 120) if turned else (120, 80))
    assert decoded.pixels.shape == (decoded.height, decoded.width, 3)


def test_a_large_jpeg_is_decoded_smaller_but_keeps_its_size(photo: Image.Image, encode: Encode) -> None:
    decoded = decode_image(encode(photo.resize((4000, 3000)), "JPEG"))
    assert (decoded.width, decoded.height) == (4000, 3000)
    assert decoded.pixels.shape == (750, 1000, 3)


def test_a_jpeg_below_twice_the_networks_size_is_decoded_whole(photo: Image.Image, encode: Encode) -> None:
    assert decode_image(encode(photo.resize((1400, 1000)), "JPEG")).pixels.shape == (1000, 1400, 3)


def _png_that_claims(width: int, height: int) -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000)))


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda _: b"", "empty"),
        (lambda _: b"not an image at all", "no image of a type"),
        (lambda data: data[: len(data) // 2], "damaged or cut off"),
        (lambda _: b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no image of a type"),
        (lambda _: _png_that_claims(100_000, 100_000), "pixels"),
    ],
)
@pytest.mark.parametrize("format_name", ["JPEG", "PNG"])
def test_what_is_no_image_is_refused_with_the_reason(
    damage: Callable[[bytes], bytes], says: str, format_name: str, photo: Image.Image, encode: Encode
) -> None:
    with pytest.raises(ImageError, match=says):
        decode_image(damage(encode(photo.resize((600, 400)), format_name)))


def test_of_an_animation_the_first_picture_is_taken(encode: Encode) -> None:
    frames = [Image.new("RGB", (60, 60), colour) for colour in ("red", "blue")]
    pixels = decode_image(encode(frames[0], "GIF", save_all=True, append_images=frames[1:])).pixels
    assert pixels[30, 30, 0] > 200
    assert pixels[30, 30, 2] < 50
