"""The Studio's icons: which they are, and how files of Fluent UI's icons become one sprite."""

from __future__ import annotations

import re
from collections.abc import Mapping

from toolchain.errors import ToolchainError

ICONS: Mapping[str, str] = {
    "add": "add",
    "branch": "branch",
    "camera": "camera",
    "chart": "data_bar_vertical",
    "check": "checkmark",
    "chevron-down": "chevron_down",
    "chevron-left": "chevron_left",
    "chevron-right": "chevron_right",
    "chevron-up": "chevron_up",
    "close": "dismiss",
    "code": "code",
    "copy": "copy",
    "dataset": "database",
    "delete": "delete",
    "download": "arrow_download",
    "edit": "edit",
    "error": "error_circle",
    "filter": "filter",
    "grid": "grid",
    "help": "question",
    "history": "history",
    "home": "home",
    "image": "image",
    "images": "image_multiple",
    "info": "info",
    "keyboard": "keyboard",
    "link": "link",
    "menu": "navigation",
    "model": "cube",
    "moon": "weather_moon",
    "open": "open",
    "person": "person",
    "play": "play",
    "publish": "rocket",
    "roll-back": "arrow_undo",
    "search": "search",
    "settings": "settings",
    "sign-out": "sign_out",
    "stop": "stop",
    "sun": "weather_sunny",
    "tag": "tag",
    "trend": "data_trending",
    "upload": "arrow_upload",
    "warning": "warning",
}
"""For each icon of the Studio the name that Fluent UI gives it. Pages draw it as `icons.svg#icon-<name>`."""

_ORIGIN = "Fluent UI System Icons, Copyright (c) Microsoft Corporation, MIT License: see NOTICE"
_SIZE = 'width="20" height="20" viewBox="0 0 20 20"'
_FILE = re.compile(rf'<svg xmlns="http://www\.w3\.org/2000/svg" {_SIZE}>(<path d="[^"<>]+"/>)</svg>')


def file_of(icon: str) -> str:
    """The path of an icon in the package: 20 pixels, drawn as an outline."""
    return f"icons/{ICONS[icon]}_20_regular.svg"


def sprite_of(drawings: Mapping[str, str]) -> str:
    """One SVG document with a `<symbol id="icon-NAME">` for each drawing, in the colour of the text around it.

    Args:
        drawings: the text of an icon's file, by the icon's name.

    Raises:
        ToolchainError: a file is not one path in a square of 20, as all are in the pinned package.
    """
    symbols = []
    for name, text in sorted(drawings.items()):
        found = _FILE.fullmatch(text.strip())
        if found is None:
            raise ToolchainError(f"The icon {name} ({file_of(name)}) is not one path of 20 × 20. Check the pinned package.")
        symbols.append(f'<symbol id="icon-{name}" viewBox="0 0 20 20" fill="currentColor">{found[1]}</symbol>')
    return "\n".join([f"<!-- {_ORIGIN} -->", '<svg xmlns="http://www.w3.org/2000/svg">', *symbols, "</svg>", ""])
