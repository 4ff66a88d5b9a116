"""What a person does on a page with a mouse or a finger: drop files, draw over a picture."""

from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Page

Place = tuple[float, float]
"""Of a picture: shares of its width and height."""


def drop_files(page: Page, selector: str, files: Sequence[Path]) -> None:
    """Drop files or folders as a person does, which only the devtools protocol can do."""
    box = page.locator(selector).bounding_box()
    assert box is not None
    session = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(file) for file in files], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        place = {"x": box["x"] + 20, "y": box["y"] + 20}
        session.send("Input.dispatchDragEvent", {"type": kind, **place, "data": data})


def at(page: Page, place: Place) -> tuple[float, float]:
    """A place of the picture that is labelled, on the screen."""
    bounds = page.locator("#sheet").bounding_box()
    assert bounds is not None
    return bounds["x"] + place[0] * bounds["width"], bounds["y"] + place[1] * bounds["height"]


def drag(page: Page, start: Place, end: Place) -> None:
    page.mouse.move(*at(page, start))
    page.mouse.down()
    page.mouse.move(*at(page, ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)))
    page.mouse.move(*at(page, end))
    page.mouse.up()
