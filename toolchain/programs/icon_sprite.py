"""The Studio's icons: which they are, and how files of Fluent UI's icons become one sprite."""

from __future__ import annotations

import re
from collections.abc import Mapping

from toolchain.errors import ToolchainError

ICONS = (
    *("add", "arrow-download", "arrow-undo", "arrow-upload", "branch", "camera", "checkmark", "chevron-down", "chevron-left"),
    *("chevron-right", "chevron-up", "code", "copy", "cube", "data-bar-vertical", "data-trending", "database", "delete"),
    *("dismiss", "edit", "error", "filter", "grid", "history", "home", "image", "image-multiple", "info", "keyboard", "link"),
    *("navigation", "open", "person", "play", "question", "rocket", "search", "settings", "sign-out", "stop", "tag", "warning"),
    *("weather-moon", "weather-sunny"),
)
"""The icons of the Studio, by the names that Fluent UI gives them. A page draws one by `ui.icon("tag")`."""

_NAMED_OTHERWISE = {"error": "error_circle"}

_ORIGIN = "Fluent UI System Icons, Copyright (c) Microsoft Corporation, MIT License: see NOTICE"
_SIZE = 'width="20" height="20" viewBox="0 0 20 20"'
_FILE = re.compile(rf'<svg xmlns="http://www\.w3\.org/2000/svg" {_SIZE}>(<path d="[^"<>]+"/>)</svg>')


def file_of(icon: str) -> str:
    """The path of an icon in the package: 20 pixels, drawn as an outline."""
    return f"icons/{_NAMED_OTHERWISE.get(icon, icon.replace('-', '_'))}_20_regular.svg"


def sprite_of(drawings: Mapping[str, str]) -> str:
    """One SVG document with a `<symbol>` for each drawing: its name is the `id`, and it has the colour of the text around it.

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
        symbols.append(f'<symbol id="{name}" viewBox="0 0 20 20" fill="currentColor">{found[1]}</symbol>')
    return "\n".join([f"<!-- {_ORIGIN} -->", '<svg xmlns="http://www.w3.org/2000/svg">', *symbols, "</svg>", ""])
