"""The places and pictures of the Studio's benchmark."""

import io
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.blobs import picture_of
from benchmarks.studio import AROUND, choose_places


@pytest.mark.parametrize(("images", "jumps", "expected"), [(100_000, 12, 12), (2000, 12, 4), (6 * AROUND, 1, 1)])
def test_places_share_no_image_and_leave_out_the_first_screen(images: int, jumps: int, expected: int) -> None:
    stored, unmade = choose_places(images, jumps)
    assert (len(stored), len(unmade)) == (expected, expected)
    around = [number for place in (*stored, *unmade) for number in range(place - AROUND, place + AROUND)]
    assert len(around) == len(set(around))
    assert min(around) >= 2 * AROUND
    assert max(around) < images


def test_a_dataset_that_is_too_small_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 600 images are needed for two jumps, not 599"):
        choose_places(599, 1)


def test_each_name_has_a_picture_of_its_own(tmp_path: Path) -> None:
    for number, colour in enumerate(("red", "blue")):
        Image.new("RGB", (64, 48), colour).save(tmp_path / f"{number}.jpg")
    pictures = [picture_of(tmp_path, f"{number:06}.jpg") for number in range(50)]
    assert len({picture.data for picture in pictures}) == len({picture.etag for picture in pictures}) == 50
    assert {picture.file.name for picture in pictures} == {"0.jpg", "1.jpg"}
    assert picture_of(tmp_path, "000007.jpg") == pictures[7]
    for picture in pictures[:2]:
        with Image.open(io.BytesIO(picture.data)) as read, Image.open(picture.file) as original:
            assert read.tobytes() == original.tobytes()
