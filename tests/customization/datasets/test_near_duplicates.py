"""Which pictures count as the same: tables of drawn ones, and the real sets."""

import io
import json
import random
from pathlib import Path

import pytest
from PIL import Image

from tests.support.near_copies import drawn, near_copies
from tests.support.places import CHECKOUT
from vision_customization.common.miniatures import miniature
from vision_customization.common.near_duplicates import groups, near_pairs
from vision_customization.customization.datasets.image_facts import read_image

DATA = CHECKOUT.parent / "shared" / "data"
SETS = sorted(folder.name for folder in DATA.iterdir() if folder.is_dir()) if DATA.is_dir() else []


def small(data: bytes) -> bytes:
    found = read_image(data).miniature
    assert found is not None
    return found


def png(image: Image.Image, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG", **options)
    return stream.getvalue()


def test_copies_are_found_and_other_pictures_are_not() -> None:
    files = [small(data) for seed in range(30) for data in near_copies(drawn(seed), seed)]
    assert groups(near_pairs(files)) == [list(range(start, start + 4)) for start in range(0, 120, 4)]


def test_copies_between_two_sets() -> None:
    one = [small(png(drawn(seed))) for seed in range(8)]
    other = [small(near_copies(drawn(seed), seed)[0]) for seed in (20, 3, 21, 5)]
    assert near_pairs(one, other) == [(3, 1), (5, 3)]


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_to_compare(count: int) -> None:
    few = [small(png(drawn(0)))] * count
    assert near_pairs(few) == near_pairs(few, []) == near_pairs([], few) == []


def test_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    files = [small(data) for seed in range(6) for data in near_copies(drawn(seed), seed)]
    random.Random(0).shuffle(files)
    whole, between = near_pairs(files), near_pairs(files[:9], files[9:])
    monkeypatch.setattr("vision_customization.common.near_duplicates._BLOCK", 5)
    assert len(whole) >= 18
    assert near_pairs(files) == whole
    assert near_pairs(files[:9], files[9:]) == between


def test_pictures_that_show_nothing_are_not_alike() -> None:
    plain = [small(png(Image.new("RGB", (64, 48), colour))) for colour in ("white", "black", "red", "#fefefe")]
    assert near_pairs([*plain, *(small(png(drawn(seed))) for seed in range(4))]) == []


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([], []),
        ([(1, 2)], [[1, 2]]),
        ([(4, 5), (0, 1), (1, 2)], [[0, 1, 2], [4, 5]]),
        ([(0, 1), (2, 3), (1, 3), (0, 2)], [[0, 1, 2, 3]]),
    ],
)
def test_groups_are_connected_components(pairs: list[tuple[int, int]], expected: list[list[int]]) -> None:
    assert groups(pairs) == expected


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["JPEG", "TIFF"])
def test_a_miniature_is_upright(orientation: int, file_format: str) -> None:
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    stream = io.BytesIO()
    drawn(1).save(stream, file_format, exif=exif)
    with Image.open(stream) as image:
        upright = ImageOps.exif_transpose(image).convert("RGB")
    assert near_pairs([small(stream.getvalue()), small(png(upright))]) == [(0, 1)]
    others = [small(png(upright.transpose(way))) for way in Image.Transpose]
    assert near_pairs([small(stream.getvalue())], others) == []


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "LA", "PA", "I;16", "I;16B", "I", "F", "YCbCr", "HSV"])
def test_a_miniature_of_any_mode(mode: str) -> None:
    assert len(miniature(Image.new(mode, (50, 40)))) == 32 * 32


def test_what_is_behind_transparent_pixels_does_not_count() -> None:
    shown = drawn(2).convert("RGBA")
    shown.putalpha(Image.new("L", shown.size, 0))
    assert set(miniature(shown)) == {255}


def files_of(name: str) -> list[Path]:
    documents = [json.loads(file.read_bytes()) for file in sorted((DATA / name).glob("*.json"))]
    return [DATA / name / entry["file_name"] for document in documents for entry in document["images"]]


@pytest.mark.data
@pytest.mark.skipif(not SETS, reason="../shared/data is not here")
@pytest.mark.parametrize("name", SETS)
def test_different_pictures_of_a_set_stay_apart(name: str) -> None:
    """At most one in eight is joined with another one, most of which are of one burst, or nearly equal: coins on one table."""
    files = [small(file.read_bytes()) for file in files_of(name)]
    joined = groups(near_pairs(files))
    assert sum(map(len, joined)) <= max(3, len(files) // 8)
    assert max(map(len, joined), default=0) <= 15


@pytest.mark.data
@pytest.mark.skipif(not SETS, reason="../shared/data is not here")
def test_four_copies_of_each_photo_stay_together() -> None:
    files = []
    for number, file in enumerate(files_of("clothing")):
        with Image.open(file) as image:
            files += [small(data) for data in near_copies(image, number)]
    together = sum(
        set(range(start, start + 4)) <= set(group) for group in groups(near_pairs(files)) for start in range(0, len(files), 4)
    )
    assert together >= 0.98 * len(files) / 4
