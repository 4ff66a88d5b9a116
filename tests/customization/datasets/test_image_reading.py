"""Image files of every listed type, whole and damaged."""

import io
from pathlib import Path

import pytest
from PIL import Image

from tests.customization.samples import encoded
from vision_customization.common.dataset_content.image_formats import FORMATS
from vision_customization.customization.datasets.image_facts import read_image
from vision_customization.customization.datasets.image_reading import read_images
from vision_customization.customization.errors import CodecMissing, ImageUnreadable


@pytest.mark.parametrize("file_format", [name for name in FORMATS if name != "MPO"])
def test_every_listed_type_is_read(file_format: str) -> None:
    facts = read_image(encoded(5, (48, 48), file_format))
    assert (facts.width, facts.height, facts.turned, facts.format) == (48, 48, False, file_format)


def test_a_multi_picture_file_is_a_jpeg_to_the_service() -> None:
    stream = io.BytesIO()
    frames = [Image.new("RGB", (80, 60), color) for color in ("red", "blue")]
    frames[0].save(stream, "MPO", save_all=True, append_images=frames[1:])
    facts = read_image(stream.getvalue())
    assert FORMATS[facts.format].content_type == "image/jpeg"


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP"])
def test_a_damaged_file_is_refused(file_format: str) -> None:
    stream = io.BytesIO()
    Image.effect_noise((300, 200), 60).convert("RGB").save(stream, file_format)
    data = stream.getvalue()
    with pytest.raises(ImageUnreadable):
        read_image(data[: len(data) // 2])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_size_is_that_of_the_upright_image(orientation: int) -> None:
    facts = read_image(encoded(0, (80, 60), "JPEG", orientation))
    assert (facts.width, facts.height) == ((60, 80) if orientation >= 5 else (80, 60))


def test_other_types_are_refused() -> None:
    stream = io.BytesIO()
    Image.new("RGB", (80, 60)).save(stream, "PPM")
    with pytest.raises(ImageUnreadable, match="is not an image of a supported type"):
        read_image(stream.getvalue())


def test_an_image_of_a_huge_header_is_not_decoded() -> None:
    header = bytearray(encoded(0, (64, 48), "BMP"))
    header[18:26] = (1_000_000).to_bytes(4, "little") * 2
    with pytest.raises(ImageUnreadable, match="damaged"):
        read_image(bytes(header))


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize(("orientation", "turned"), [(1, False), (3, False), (6, True)])
def test_a_turned_image_is_known_in_every_format(file_format: str, orientation: int, turned: bool) -> None:
    facts = read_image(encoded(0, (80, 60), file_format, orientation))
    assert (facts.width, facts.height, facts.turned) == ((60, 80, True) if turned else (80, 60, False))
    assert facts.has_size(80, 60)
    assert facts.has_size(60, 80) is turned


def test_a_codec_that_is_missing_here_is_named_with_the_image_that_needs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An intact image is not listed among the damaged ones."""
    file = tmp_path / "a.jpg"
    file.write_bytes(encoded(0, (80, 60), "JPEG"))
    monkeypatch.delattr(Image.core, "jpeg_decoder")
    with pytest.raises(
        CodecMissing, match=r"/a\.jpg can't be decoded here, because .*decoder jpeg not available.*`make setup`"
    ):
        read_images({str(file): file.stat()})
