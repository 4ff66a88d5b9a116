"""Scenes of cut-out objects on a backdrop, with the exact box of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from random import Random

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from examples.backdrops import Backdrop, Picture

OPAQUE = 96
"""The minimum alpha of a pixel that counts as the object's."""
VISIBLE_SHARE = 0.55
"""The minimum visible share of every object; an object that would hide more of another is not placed."""


@dataclass(frozen=True)
class Style:
    """The drawing style of a part of a dataset; `tilt` in degrees, `squeeze` as a share of the width, `blur` in pixels."""

    tilt: float
    squeeze: float
    blur: float
    quality: tuple[int, int]
    brightness: tuple[float, float]


@dataclass(frozen=True)
class Placed:
    """An object with its tag ('' if untagged), and its visible extent: left, top, width, height in pixels."""

    tag: str
    box: tuple[int, int, int, int]


@dataclass
class Canvas:
    """A picture being drawn, and the object that each of its pixels belongs to (-1: none)."""

    picture: Picture
    owners: NDArray[np.int16] = field(init=False)
    tags: list[str] = field(default_factory=list)
    areas: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.owners = np.full(self.picture.shape[:2], -1, np.int16)

    def place(self, tag: str, cut_out: Image.Image, left: int, top: int, *, standing: bool) -> bool:
        """Draw an RGBA cut-out with its shadow; if it or another would be hidden too much, draw nothing and return False."""
        height, width = self.owners.shape
        pixels = np.asarray(cut_out, np.float32)
        rows, columns = (
            slice(max(top, 0), min(top + cut_out.height, height)),
            slice(max(left, 0), min(left + cut_out.width, width)),
        )
        if rows.start >= rows.stop or columns.start >= columns.stop:
            return False
        inside = pixels[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
        mask = inside[..., 3] >= OPAQUE
        area = int((pixels[..., 3] >= OPAQUE).sum())
        if not area or mask.sum() < VISIBLE_SHARE * area or not self._leaves_others(mask, rows, columns):
            return False
        self._shade(cut_out, left, top, standing=standing)
        alpha = inside[..., 3:] / 255
        self.picture[rows, columns] = self.picture[rows, columns] * (1 - alpha) + inside[..., :3] * alpha
        self.owners[rows, columns][mask] = len(self.tags)
        self.tags.append(tag)
        self.areas.append(area)
        return True

    def _leaves_others(self, mask: NDArray[np.bool_], rows: slice, columns: slice) -> bool:
        owned = self.owners[rows, columns][mask]
        hidden = np.bincount(owned[owned >= 0], minlength=len(self.tags))
        for number in np.flatnonzero(hidden):
            seen = int((self.owners == number).sum()) - int(hidden[number])
            if seen < VISIBLE_SHARE * self.areas[number]:
                return False
        return True

    def _shade(self, cut_out: Image.Image, left: int, top: int, *, standing: bool) -> None:
        """A soft shadow: below and beside lying objects, flat at the foot of standing ones."""
        soft = max(3, cut_out.height // 14)
        alpha = cut_out.getchannel("A")
        if standing:
            flat = max(6, cut_out.height // 7)
            alpha = alpha.resize((cut_out.width, flat))
            down, right = cut_out.height - flat * 2 // 3, 0
        else:
            down, right = soft, soft * 2 // 3
        around = Image.new("L", (alpha.width + 6 * soft, alpha.height + 6 * soft))
        around.paste(alpha, (3 * soft, 3 * soft))
        shadow = np.asarray(around.filter(ImageFilter.GaussianBlur(soft)), np.float32) / 255
        y, x = top + down - 3 * soft, left + right - 3 * soft
        height, width = self.owners.shape
        rows, columns = slice(max(y, 0), min(y + around.height, height)), slice(max(x, 0), min(x + around.width, width))
        if rows.start < rows.stop and columns.start < columns.stop:
            part = shadow[rows.start - y : rows.stop - y, columns.start - x : columns.stop - x, None]
            self.picture[rows, columns] *= 1 - 0.5 * part

    def placed(self) -> list[Placed]:
        """The tight box of each object's visible part."""
        boxes = []
        for number, tag in enumerate(self.tags):
            mask = self.owners == number
            columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
            left, top = int(columns[0]), int(rows[0])
            boxes.append(Placed(tag, (left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top)))
        return boxes


def posed(random: Random, image: Image.Image, side: int, tilt: float, squeeze: float) -> Image.Image:
    """A cut-out, perhaps mirrored, rotated by at most `tilt` degrees, squeezed, its longer side `side` pixels; no margin."""
    if random.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    # Not much larger than the final size: rotating takes most of the time.
    scale = min(1.0, 1.25 * side / max(image.size))
    size = (round(image.width * scale * (1 - random.uniform(0, squeeze))), round(image.height * scale))
    small = image.resize(size, Image.Resampling.LANCZOS)
    turned = small.rotate(random.uniform(-tilt, tilt), Image.Resampling.BICUBIC, expand=True)
    tight = turned.crop(turned.getchannel("A").point(lambda alpha: 255 * (alpha >= OPAQUE)).getbbox())
    scale = side / max(tight.size)
    return tight.resize((max(1, round(tight.width * scale)), max(1, round(tight.height * scale))), Image.Resampling.LANCZOS)


def _choose(random: Random, objects: Mapping[str, Sequence[Image.Image]], others: float) -> tuple[str, Image.Image]:
    """A tag and one of its images; with the probability `others` something untagged."""
    wanted = [tag for tag in sorted(objects) if tag]
    tag = "" if "" in objects and (not wanted or random.random() < others) else random.choice(wanted)
    return tag, random.choice(objects[tag])


def stock(
    random: Random, canvas: Canvas, boards: Sequence[int], objects: Mapping[str, Sequence[Image.Image]], style: Style
) -> None:
    """Products in rows on shelves: up to four of a kind side by side, with some gaps."""
    width = canvas.owners.shape[1]
    above = 0
    for board in boards:
        side = round((board - above) * random.uniform(0.5, 0.85))
        left = random.randrange(-10, 40)
        while left < width - side // 2:
            if random.random() < 0.22:
                left += random.randrange(side // 2, side * 2)
                continue
            tag, image = _choose(random, objects, 0.2)
            apart = random.uniform(0.82, 1.15)
            for _ in range(random.choice((1, 1, 2, 3, 4))):
                cut_out = posed(random, image, round(side * random.uniform(0.85, 1.05)), min(style.tilt, 9), style.squeeze)
                canvas.place(tag, cut_out, left, board - cut_out.height, standing=True)
                left += max(8, round(cut_out.width * apart))
        above = board


def scatter(random: Random, canvas: Canvas, objects: Mapping[str, Sequence[Image.Image]], style: Style) -> None:
    """Scattered things of all sizes, some overlapping or partly outside the picture."""
    height, width = canvas.owners.shape
    middle = random.uniform(70, 150)
    for _ in range(random.randrange(3, 13)):
        tag, image = _choose(random, objects, 0.22)
        cut_out = posed(random, image, round(middle * random.uniform(0.6, 1.5)), style.tilt, style.squeeze)
        left, top = random.randrange(-30, width - 40), random.randrange(-30, height - 40)
        canvas.place(tag, cut_out, left, top, standing=False)


def photographed(random: Random, picture: Picture, style: Style) -> bytes:
    """The scene as a JPEG: exposure, colour of the light, blur, sensor noise, compression."""
    light = random.uniform(*style.brightness) * np.asarray([1 + random.uniform(-0.06, 0.06) for _ in range(3)], np.float32)
    grain = np.random.default_rng(random.getrandbits(32)).random(picture.shape, np.float32) - 0.5
    exposed = picture * light + grain * random.uniform(2, 16)
    image = Image.fromarray(exposed.clip(0, 255).astype(np.uint8))
    blurred = image.filter(ImageFilter.GaussianBlur(random.uniform(0, style.blur)))
    file = BytesIO()
    blurred.save(file, "JPEG", quality=random.randint(*style.quality))
    return file.getvalue()


def draw_scene(
    random: Random, backdrop: Backdrop, objects: Mapping[str, Sequence[Image.Image]], style: Style
) -> tuple[bytes, list[Placed]]:
    """A scene as JPEG, and its objects.

    Args:
        objects: RGBA cut-outs by tag; those with the tag '' are drawn, too, but not labelled. Empty for an empty scene.
    """
    canvas = Canvas(backdrop.picture)
    if objects:
        if backdrop.boards:
            stock(random, canvas, backdrop.boards, objects, style)
        else:
            scatter(random, canvas, objects, style)
    return photographed(random, canvas.picture, style), canvas.placed()
