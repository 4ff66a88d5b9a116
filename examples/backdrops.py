"""Procedural backgrounds of drawn scenes: each a picture in floats, the same for the same random numbers."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Picture = NDArray[np.float32]
"""(height, width, 3), red, green and blue in 0…255."""

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Backdrop:
    """`boards` are the rows, in pixels from the top, on which things stand; empty if they lie anywhere."""

    picture: Picture
    boards: tuple[int, ...] = ()


def noise(random: Random, width: int, height: int, grain: tuple[float, float], octaves: int = 4) -> NDArray[np.float32]:
    """Smooth noise of mean 0 within -1…1, (height, width). `grain`: the largest blobs' width and height in pixels."""
    source = np.random.default_rng(random.getrandbits(32))
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        cells = [max(2, round(extent * 2**octave / size) + 1) for extent, size in zip((width, height), grain, strict=True)]
        coarse = Image.fromarray(source.random((cells[1], cells[0]), np.float32) * 2 - 1)
        total += np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)) / 2**octave
    return (total / 2).clip(-1, 1)


def tinted(colour: Colour, shade: NDArray[np.float32]) -> Picture:
    """One colour, made lighter and darker by `shade`, (height, width) in shares of the colour."""
    return np.asarray(colour, np.float32) * (1 + shade[..., None])


def lit(random: Random, picture: Picture) -> Picture:
    """Light from one side, falling off towards the other and towards the corners."""
    height, width = picture.shape[:2]
    across, down = np.meshgrid(np.linspace(-1, 1, width, dtype=np.float32), np.linspace(-1, 1, height, dtype=np.float32))
    slope = random.uniform(-0.18, 0.18) * across + random.uniform(-0.12, 0.18) * down
    light: NDArray[np.float32] = 1 + slope - random.uniform(0.02, 0.14) * (across**2 + down**2)
    return picture * light[..., None]


def _speckle(random: Random, width: int, height: int, strength: float) -> NDArray[np.float32]:
    return (np.random.default_rng(random.getrandbits(32)).random((height, width), np.float32) - 0.5) * strength


def plaster(random: Random, width: int, height: int) -> Picture:
    colour = random.choice([(222, 214, 198), (188, 200, 190), (176, 190, 208), (214, 192, 178)])
    return tinted(colour, 0.07 * noise(random, width, height, (180, 180)) + _speckle(random, width, height, 0.04))


def wood(random: Random, width: int, height: int) -> Picture:
    """Planks side by side, each with a tone and a grain of its own."""
    colour = random.choice([(168, 122, 80), (196, 154, 106), (122, 84, 56), (146, 116, 90)])
    picture = np.empty((height, width, 3), np.float32)
    top = -random.randrange(60)
    while top < height:
        plank = random.randrange(70, 130)
        rows = slice(max(top, 0), min(top + plank, height))
        tall = rows.stop - rows.start
        shade = 0.16 * noise(random, width, tall, (260, 9)) + random.uniform(-0.12, 0.12)
        shade[:2] -= 0.3
        picture[rows] = tinted(colour, shade)
        top += plank
    return picture


def grass(random: Random, width: int, height: int) -> Picture:
    colour = random.choice([(92, 132, 58), (110, 142, 74), (84, 116, 64)])
    shade = 0.24 * noise(random, width, height, (90, 90)) + 0.3 * noise(random, width, height, (5, 14), 2)
    return tinted(colour, shade + _speckle(random, width, height, 0.1))


def marble(random: Random, width: int, height: int) -> Picture:
    colour = random.choice([(226, 224, 222), (198, 202, 206), (70, 74, 80)])
    veins: NDArray[np.float32] = np.exp(-18 * np.abs(noise(random, width, height, (320, 200), 5)))
    return tinted(colour, 0.06 * noise(random, width, height, (120, 120)) - random.uniform(0.15, 0.35) * veins)


def cloth(random: Random, width: int, height: int) -> Picture:
    """A checked tablecloth."""
    colour, side = random.choice([(186, 52, 56), (52, 98, 160), (70, 128, 92)]), random.randrange(34, 60)
    across, down = (np.arange(width) // side) % 2, (np.arange(height) // side) % 2
    share = ((across[None, :] + down[:, None]) / 2).astype(np.float32)[..., None]
    checks = share * np.asarray(colour, np.float32) + (1 - share) * np.asarray((236, 230, 220), np.float32)
    return checks * (1 + 0.08 * noise(random, width, height, (200, 150)) + _speckle(random, width, height, 0.08))[..., None]


def concrete(random: Random, width: int, height: int) -> Picture:
    colour = random.choice([(150, 150, 148), (124, 128, 134), (170, 162, 150)])
    return tinted(colour, 0.14 * noise(random, width, height, (140, 140), 6) + _speckle(random, width, height, 0.12))


def tiles(random: Random, width: int, height: int) -> Picture:
    colour, side = random.choice([(206, 222, 226), (232, 228, 214), (138, 168, 170)]), random.randrange(46, 90)
    shade = 0.04 * noise(random, width, height, (90, 90))
    joint = (np.arange(width) % side < 3)[None, :] | (np.arange(height) % side < 3)[:, None]
    shade[joint] -= 0.2
    return tinted(colour, shade)


Surface = Callable[[Random, int, int], Picture]


def lying(random: Random, width: int, height: int, surface: Surface) -> Backdrop:
    """A surface seen from above."""
    return Backdrop(lit(random, surface(random, width, height)))


def shelves(random: Random, width: int, height: int, wall: Surface, board: Surface | None) -> Backdrop:
    """Two or three boards in front of a wall; without a surface, they are of glass."""
    picture = wall(random, width, height) * random.uniform(0.7, 1.0)
    count = random.choice((2, 2, 3))
    thick = random.randrange(12, 24)
    gap = height / count
    boards = []
    for number in range(1, count + 1):
        top = min(round(number * gap + random.uniform(-10, 4)), height) - thick
        picture[top + thick :][:36] *= np.linspace(0.62, 1, 36, dtype=np.float32)[: height - top - thick, None, None]
        front = picture[top : top + thick]
        front[:] = front * 0.5 + 118 if board is None else board(random, width, thick)
        front[0] = front[0] * 0.5 + 120
        boards.append(top + thick // 3)
    return Backdrop(lit(random, picture), tuple(boards))
