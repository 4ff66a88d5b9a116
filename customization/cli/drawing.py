"""Answers drawn onto their images."""

import colorsys
import hashlib
from collections.abc import Collection, Sequence
from typing import Any

from PIL import Image, ImageDraw, ImageFont, ImageOps

CAPTION_TAGS = 3
HUES = 12

Colour = tuple[int, int, int]
"""Red, green and blue, 0…255."""
_Rectangle = tuple[int, int, int, int]
"""Left, top, right and bottom; the last two are the first pixels outside."""


def tag_colours(names: Collection[str]) -> dict[str, Colour]:
    """A colour per tag, visible on light and dark: chosen by the name's hash, or the next free one if that is taken."""
    colours: dict[str, Colour] = {}
    free = list(range(HUES))
    for name in sorted(set(names)):
        free = free or list(range(HUES))
        own = hashlib.sha256(name.encode()).digest()[0] % HUES
        hue = min(free, key=lambda slot: (slot - own) % HUES)
        free.remove(hue)
        # Neighbours on the wheel differ in brightness, too.
        red, green, blue = colorsys.hsv_to_rgb(hue / HUES, 0.85, 0.7 if hue % 2 else 0.95)
        colours[name] = round(255 * red), round(255 * green), round(255 * blue)
    return colours


def draw_answer(image: Image.Image, objects: Sequence[dict[str, Any]], tags: Sequence[dict[str, Any]]) -> Image.Image:
    """The image, upright, with the boxes of a detector's answer, or with the best tags of a classifier's in its corner.

    Args:
        objects: as the contract writes them (`boundingBox` in pixels of the upright image, `tags`).
        tags: as the contract writes them, best first.
    """
    picture = ImageOps.exif_transpose(image).convert("RGB")
    pen = ImageDraw.Draw(picture)
    width = max(2, round(max(picture.size) / 300))
    font = ImageFont.load_default(max(11, round(max(picture.size) / 45)))
    captions = tags[:CAPTION_TAGS]
    colours = tag_colours([tag["name"] for tag in (*captions, *(found["tags"][0] for found in objects))])
    for found in reversed(objects):  # the most confident last, on top
        box, tag = found["boundingBox"], found["tags"][0]
        left, top = box["x"], box["y"]
        corners = (left, top, left + max(1, box["w"]) - 1, top + max(1, box["h"]) - 1)
        pen.rectangle(corners, outline=colours[tag["name"]], width=width)
    labels: list[_Rectangle] = []
    for found in objects:
        box, tag = found["boundingBox"], found["tags"][0]
        labels.append(_label(pen, picture.size, (box["x"], box["y"]), tag, colours[tag["name"]], font, labels, above=True))
    for tag in captions:
        place = labels[-1][3] + width if labels else width
        labels.append(_label(pen, picture.size, (width, place), tag, colours[tag["name"]], font, (), above=False))
    return picture


def _label(
    pen: ImageDraw.ImageDraw,
    size: tuple[int, int],
    corner: tuple[int, int],
    tag: dict[str, Any],
    colour: Colour,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    others: Sequence[_Rectangle],
    *,
    above: bool,
) -> _Rectangle:
    """Write name and confidence on the tag's colour, at or above `corner`, below any `others` that it would overlap.

    It stays within the picture; a name that is too long is shortened. Returns the label's rectangle.
    """
    name, confidence = tag["name"], f" {tag['confidence']:.2f}"
    text = name + confidence
    while name and pen.textlength(text, font=font) + 6 > size[0]:
        name = name[:-1]
        text = f"{name}…{confidence}"
    _, _, width, height = (round(side) for side in pen.textbbox((0, 0), text, font=font))
    width, height = width + 6, height + 4
    left = max(0, min(corner[0], size[0] - width))
    top = max(0, min(corner[1] - height if above and corner[1] >= height else corner[1], size[1] - height))
    wanted = top
    while blocking := [other for other in others if _overlap(other, (left, top, left + width, top + height))]:
        top = max(other[3] for other in blocking)
    if top + height > size[1]:
        top = wanted
    pen.rectangle((left, top, left + width - 1, top + height - 1), fill=colour)
    brightness = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
    pen.text((left + 3, top + 1), text, font=font, fill="black" if brightness > 140 else "white")
    return left, top, left + width, top + height


def _overlap(one: _Rectangle, other: _Rectangle) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
