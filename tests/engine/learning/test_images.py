import pickle
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import ExifTags, Image

from vision_customization.contract import texts
from vision_customization.contract.errors import FailureCode
from vision_customization.engine.learning import ImageError, decode_image, images
from vision_customization.engine.learning.errors import CodecError
from vision_customization.engine.learning.images import ImageSizeError

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
        ("I;16", 200, 200),  # small values in more bits are eight bits
        ("I", 200, 200),
        ("I", 3000, round(3000 * 255 / 4095)),
    ],
)
def test_every_mode_becomes_rgb(mode: str, colour: object, expected: int, encode: Encode) -> None:
    image = Image.new(mode, (60, 60), colour)  # type: ignore[arg-type]
    decoded = decode_image(encode(image, "TIFF" if mode == "I" else "PNG"))
    assert decoded.pixels.shape == (60, 60, 3)
    assert np.abs(decoded.pixels.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_greys_of_a_camera_in_16_bits_have_the_full_range(bits: int, encode: Encode) -> None:
    greys = np.linspace(0, 2**bits - 1, 3600).astype("<u2").reshape(60, 60)
    assert np.unique(decode_image(encode(Image.fromarray(greys), "PNG")).pixels).size == 256


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
    detailed = decode_image(encode(photo.resize((4000, 3000)), "JPEG"), detail=2)
    assert (detailed.width, detailed.height) == (4000, 3000)
    assert detailed.pixels.shape == (1500, 2000, 3)


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
        (lambda _: b"not an image at all", "not an image of a supported type"),
        (lambda data: data[: len(data) // 2], "damaged or truncated"),
        (lambda _: b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image of a supported type"),
        (lambda _: _png_that_claims(100_000, 100_000), "pixels"),
    ],
)
@pytest.mark.parametrize("format_name", ["JPEG", "PNG"])
def test_what_is_no_image_is_refused_with_the_reason(
    damage: Callable[[bytes], bytes], says: str, format_name: str, photo: Image.Image, encode: Encode
) -> None:
    with pytest.raises(ImageError, match=says):
        decode_image(damage(encode(photo.resize((600, 400)), format_name)))


@pytest.mark.parametrize("size", [(10_241, 60), (60, 10_241), (9, 60), (9000, 9)])
def test_sides_are_refused_before_anything_is_decoded(size: tuple[int, int]) -> None:
    head = _png_that_claims(*size)  # to decode it fails, since almost all of its pixels are missing
    with pytest.raises(ImageError, match="damaged or truncated"):
        decode_image(head)
    with pytest.raises(ImageSizeError, match=r"each side must be 10 to 10,240"):
        decode_image(head, (10, 10_240))


def test_a_webp_file_has_a_limit_of_its_own(photo: Image.Image, encode: Encode, monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode(photo, "WEBP")
    monkeypatch.setattr(texts, "WEBP_PIXELS_MAX", 9599)
    with pytest.raises(ImageError, match=r"is 120 × 80 px, but a WEBP file may have at most 9,599 pixels"):
        decode_image(data)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "I;16", "F"])
@pytest.mark.parametrize("size", [(3217, 2003), (900, 7000)])
def test_a_large_image_is_reduced_in_every_mode(
    mode: str, size: tuple[int, int], photo: Image.Image, encode: Encode, monkeypatch: pytest.MonkeyPatch
) -> None:
    ramp = np.linspace(0, 60_000, photo.height * photo.width).reshape(photo.height, photo.width)
    picture = (
        photo.convert(mode) if mode not in ("I;16", "F") else Image.fromarray(ramp.astype("<u2" if mode == "I;16" else "<f4"))
    )
    if mode in ("RGBA", "LA"):
        picture.putalpha(Image.linear_gradient("L").resize(photo.size))
    data = encode(picture.resize(size, Image.Resampling.NEAREST), "TIFF" if mode == "F" else "PNG")
    whole = decode_image(data)
    assert whole.pixels.shape == (size[1], size[0], 3)
    monkeypatch.setattr(images, "LARGE_PIXELS", 1_000_000)
    reduced = decode_image(data)
    assert (reduced.width, reduced.height) == size
    factor = 3 if size == (3217, 2003) else 2
    assert reduced.pixels.shape == (-(-size[1] // factor), -(-size[0] // factor), 3)
    np.testing.assert_array_equal(reduced.pixels, np.asarray(Image.fromarray(whole.pixels).reduce(factor)))
    np.testing.assert_array_equal(decode_image(data, detail=2).pixels, whole.pixels)


@pytest.mark.process
def test_a_large_transparent_image_takes_little_more_memory_than_its_pixels(encode: Encode) -> None:
    data = encode(Image.new("RGBA", (5000, 5000), (200, 30, 30, 100)), "PNG")
    peak = (
        "import resource, sys; from vision_customization.engine.learning import decode_image; from pathlib import Path;"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss; before = peak();"
        "decode_image(sys.stdin.buffer.read()); print(peak() - before)"
    )
    kibibytes = int(subprocess.run([sys.executable, "-c", peak], input=data, capture_output=True, check=True).stdout)
    assert kibibytes < 1.5 * 4 * 5000 * 5000 / 1024


@pytest.mark.parametrize("format_name", ["JPEG", "TIFF", "PNG", "WEBP"])
def test_every_format_is_turned_once(format_name: str, photo: Image.Image, encode: Encode) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    decoded = decode_image(encode(photo, format_name, exif=exif))
    assert (decoded.width, decoded.height) == (80, 120)
    assert decoded.pixels.shape == (120, 80, 3)


def test_of_an_animation_the_first_picture_is_taken(encode: Encode) -> None:
    frames = [Image.new("RGB", (60, 60), colour) for colour in ("red", "blue")]
    pixels = decode_image(encode(frames[0], "GIF", save_all=True, append_images=frames[1:])).pixels
    assert pixels[30, 30, 0] > 200
    assert pixels[30, 30, 2] < 50


def test_a_codec_that_is_missing_is_not_the_images_fault(
    photo: Image.Image, encode: Encode, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = encode(photo, "JPEG")
    monkeypatch.delattr(Image.core, "jpeg_decoder")
    with pytest.raises(CodecError, match=r"the image can't be decoded here, because .*decoder jpeg not available") as raised:
        decode_image(data)
    assert pickle.loads(pickle.dumps(raised.value)).code == raised.value.code == FailureCode.INTERNAL_SERVER_ERROR


def test_the_engine_loads_every_codec_when_it_starts() -> None:
    """Otherwise a checkout that is moved while the engine runs takes away the codecs that no image has needed yet."""
    program = (
        "import sys; from PIL import Image; from vision_customization.engine.learning import images; "
        "sys.exit(not set(images.FORMATS) <= set(Image.OPEN))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
