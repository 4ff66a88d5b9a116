"""XML files of labels."""

from __future__ import annotations

import codecs
import re
from pathlib import Path
from xml.etree import ElementTree as ET

_ENCODING = re.compile(rb"""^\s*<\?xml[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")


def xml_root(path: Path, problems: list[str]) -> ET.Element | None:
    """The root of an XML file, in any encoding that Python knows; None, and a problem, if it can't be read."""
    try:
        text = _text(path.read_bytes())
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            problems.append(f"{path}: has a document type declaration, which label files must not have")
            return None
        return ET.fromstring(text)  # noqa: S314 - without a document type there is no entity to expand
    except ET.ParseError as error:
        line, column = error.position
        problems.append(f"{path}: line {line}, column {column + 1}: is not XML: {error.msg.partition(':')[0]}")
    except LookupError as error:
        problems.append(f"{path}: {error}. Save it as UTF-8")
    except UnicodeError as error:
        problems.append(f"{path}: is not text of the encoding that it declares: {error}")
    except OSError as error:
        problems.append(f"{path}: can't be read: {error.strerror}")
    return None


def _text(data: bytes) -> str:
    """The text of an XML file by its byte order mark or its declaration; expat itself knows few encodings.

    Raises LookupError for an unknown encoding, and UnicodeError.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16")
    declared = _ENCODING.match(data.removeprefix(codecs.BOM_UTF8))
    return data.decode(declared[1].decode() if declared else "utf-8").removeprefix("\ufeff")
