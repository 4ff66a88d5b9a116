"""Pictures of a page as people see it: light and dark, on a wide screen and on a phone."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from playwright.sync_api import Page

from toolchain.places import find_places

FOLDER = find_places().state / "screenshots"
Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
WIDTHS = {"wide": (1280, 800), "narrow": (390, 844)}
"""Width and height of the window in CSS pixels."""


VARIANTS = tuple((width, scheme) for width in WIDTHS for scheme in SCHEMES)


def screenshots(
    page: Page,
    name: str,
    folder: Path = FOLDER,
    settle: Callable[[Page], None] = lambda _: None,
    variants: Sequence[tuple[str, Scheme]] = VARIANTS,
) -> list[Path]:
    """Write `<name>-<light|dark>-<wide|narrow>.png`, each of the whole page, once `settle` returns.

    Afterwards the window has its size again, and the colour scheme is the browser's own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    size, files = page.viewport_size, []
    for width, scheme in variants:
        pixels_x, pixels_y = WIDTHS[width]
        page.set_viewport_size({"width": pixels_x, "height": pixels_y})
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        settle(page)
        files.append(folder / f"{name}-{scheme}-{width}.png")
        # The defaults would put a style element into the page, which its policy forbids.
        page.screenshot(path=files[-1], full_page=True, animations="allow", caret="initial")
    page.emulate_media(color_scheme="null", reduced_motion="null")
    if size is not None:
        page.set_viewport_size(size)
    return files
