"""How a JSON file is laid out, so that a program that rewrites it leaves what it does not change as it was, byte by byte."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class JsonForm:
    """Indentation (None: all on one line), the blank after `,` and `:`, whether non-ASCII characters are escaped, and how the
    file ends and breaks its lines."""

    indent: str | None = " "
    comma: str = ","
    colon: str = ": "
    escaped: bool = False
    end: str = "\n"
    line_break: str = "\n"
    start: str = ""
    """A byte order mark, if the file has one."""

    def text(self, document: Any) -> str:  # noqa: ANN401 - whatever JSON holds
        text = json.dumps(document, ensure_ascii=self.escaped, indent=self.indent, separators=(self.comma, self.colon))
        return self.start + text.replace("\n", self.line_break) + self.end


WRITTEN = JsonForm()
"""That of the files that `vision convert` writes."""


def form_of(text: str) -> JsonForm:
    """The form of a JSON text, as far as Python's writer can have it."""
    line_break = "\r\n" if "\r\n" in text else "\n"
    end = text[len(text.rstrip()) :]
    start = "\ufeff" if text.startswith("\ufeff") else ""
    escaped = re.search(r"\\u[0-9a-fA-F]{4}", text) is not None and text.removeprefix(start).isascii()
    head = text.lstrip("\ufeff \t\r\n")
    indent = re.match(r"[{\[]\r?\n([ \t]+)", head)
    colon = re.search(r'":(\s?)', head)
    blank = colon[1] if colon is not None else " "
    if indent is not None:
        return JsonForm(indent[1], ",", f":{blank}", escaped, end, line_break, start)
    comma = re.search(r'[0-9"\]}](,\s?)["{]', head)
    return JsonForm(None, comma[1] if comma is not None else f",{blank}", f":{blank}", escaped, end, line_break, start)
