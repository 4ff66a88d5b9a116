"""Answers drawn onto their images."""

import colorsys
import hashlib
from collections.abc import Sequence
from typing import Any

from PIL import Image, ImageDraw, ImageFont, ImageOps

CAPTION_TAGS = 3


def tag_colour(name: str) -> tuple[int, int, int]:
    """Red, green and blue of a tag, 0…255: always the same for a name, and strong on light and on dark."""
    digest = hashlib.sha256(name.encode()).digest()
    red, green, blue = colorsys.hsv_to_rgb(digest[0] / 256, 0.75 + digest[1] / 1024, 0.75 + digest[2] / 1024)
    return round(255 * red), round(255 * green), round(255 * blue)


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
    for found in reversed(objects):  # the most confident last, on top
        box, tag = found["boundingBox"], found["tags"][0]
        left, top = box["x"], box["y"]
        corners = (left, top, left + max(1, box["w"]) - 1, top + max(1, box["h"]) - 1)
        pen.rectangle(corners, outline=tag_colour(tag["name"]), width=width)
        _label(pen, picture.size, (left, top), tag, font, above=True)
    place = width
    for tag in tags[:CAPTION_TAGS]:
        place = _label(pen, picture.size, (width, place), tag, font, above=False) + width
    return picture


def _label(
    pen: ImageDraw.ImageDraw,
    size: tuple[int, int],
    corner: tuple[int, int],
    tag: dict[str, Any],
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    *,
    above: bool,
) -> int:
    """Name and confidence on the tag's colour, at or above `corner` and within the picture, which a long name is shortened
    for; where it ends below."""
    name, confidence, colour = tag["name"], f" {tag['confidence']:.2f}", tag_colour(tag["name"])
    text = name + confidence
    while name and pen.textlength(text, font=font) + 6 > size[0]:
        name = name[:-1]
        text = f"{name}…{confidence}"
    _, _, width, height = (round(side) for side in pen.textbbox((0, 0), text, font=font))
    width, height = width + 6, height + 4
    left = max(0, min(corner[0], size[0] - width))
    top = max(0, min(corner[1] - height if above and corner[1] >= height else corner[1], size[1] - height))
    pen.rectangle((left, top, left + width - 1, top + height - 1), fill=colour)
    brightness = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
    pen.text((left + 3, top + 1), text, font=font, fill="black" if brightness > 140 else "white")
    return top + height
