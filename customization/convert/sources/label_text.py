"""The text of label files, in the encodings that editors and spreadsheets save."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from vision_customization.customization.errors import ConversionFailed

_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))

_LINE_END = re.compile(r"\r\n|\r|\n")


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, or in UTF-16 with a byte order mark.

    Raises:
        ConversionFailed: it can't be read, or has another encoding, which can't be told from the bytes for certain.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConversionFailed([f"{path}: can't be read: {error.strerror}"]) from None
    encoding = next((encoding for mark, encoding in _MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        advice = "Save it as UTF-8 (in Excel: `CSV UTF-8`)"
        raise ConversionFailed(
            [f"{path}:{line}: is not UTF-8 text: byte {error.start} is 0x{data[error.start]:02x}. {advice}"]
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise ConversionFailed([f"{path}:{line}: has a NUL character. If the file is UTF-16, save it as UTF-8"])
    return text


def read_lines(path: Path) -> list[str]:
    """The lines of such a file, without their ends. Raises ConversionFailed."""
    return _LINE_END.split(read_text(path))
