"""A Pillow without a codec is told from an image that is damaged."""

import io
import sys
from collections.abc import Callable

import pytest
from PIL import Image, WebPImagePlugin

from vision_customization.common.image_codecs import needing_codecs


class LackError(Exception):
    """What the caller raises for a missing codec."""


def encoded(file_format: str) -> bytes:
    stream = io.BytesIO()
    Image.effect_noise((60, 60), 60).convert("RGB").save(stream, file_format)
    return stream.getvalue()


def decode(data: bytes) -> None:
    with needing_codecs(data, LackError), Image.open(io.BytesIO(data), formats=("JPEG", "TIFF", "WEBP")) as image:
        image.load()


def test_an_intact_image_is_decoded() -> None:
    decode(encoded("JPEG"))


def lack_a_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a Pillow that was built without libjpeg."""
    monkeypatch.delattr(Image.core, "jpeg_decoder")


def lack_a_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process whose packages were moved before it needed this module."""
    monkeypatch.setitem(sys.modules, "PIL.TiffImagePlugin", None)


def lack_webp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WebPImagePlugin, "SUPPORTED", False)
    monkeypatch.setitem(sys.modules, "PIL._webp", None)


@pytest.mark.filterwarnings("ignore:image file could not be identified:UserWarning")
@pytest.mark.parametrize(("file_format", "lack"), [("JPEG", lack_a_decoder), ("JPEG", lack_a_module), ("WEBP", lack_webp)])
def test_a_missing_codec_is_not_called_damage(
    file_format: str, lack: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = encoded(file_format)
    lack(monkeypatch)
    with pytest.raises(LackError, match=r"can't be decoded here, because Pillow lacks a codec \(.*Install the packages again"):
        decode(data)


@pytest.mark.parametrize(
    "data", [encoded("JPEG")[:600], encoded("TIFF")[:900], encoded("WEBP")[:200], b"RIFF0000WEBP", b"text"]
)
def test_damage_is_not_called_a_missing_codec(data: bytes) -> None:
    with pytest.raises((OSError, SyntaxError)):
        decode(data)
