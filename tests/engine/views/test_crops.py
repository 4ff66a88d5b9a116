import io

import pytest
from PIL import Image

from tests.engine.views.pictures import difference, opened, photo
from vision_customization.engine.views.crops import Box, cropped
from vision_customization.engine.views.reencoding import VIEW_SIDE, Reencoded


def view_of(image: Image.Image, name: str = "ab") -> Reencoded:
    target = io.BytesIO()
    image.save(target, "JPEG", quality=95)
    return Reencoded(target.getvalue(), *image.size, name * 32, VIEW_SIDE)


@pytest.mark.parametrize(
    ("box", "pixels"),
    [
        ((0.5, 0.5, 0.25, 0.25), (384, 384, 616, 616)),  # 8 % of the longer side around it
        ((0, 0, 0.25, 0.25), (0, 0, 216, 216)),  # not beyond the edge
        ((0.25, 0.5, 0.5, 0.25), (168, 368, 632, 632)),
        ((0, 0, 1, 1), (0, 0, 800, 800)),
    ],
)
def test_a_crop_shows_the_box_and_a_little_more(box: Box, pixels: tuple[int, int, int, int]) -> None:
    image = photo(800, 800)
    found = opened(cropped(view_of(image), box))
    assert max(found.size) <= 256
    assert difference(found, image.crop(pixels).resize(found.size)) < 5


@pytest.mark.parametrize("box", [(0.3, 0.3, 1e-6, 1e-6), (1.0, 1.0, 0.1, 0.1), (0.9999, 0, 0.0001, 1), (0, 0, 0, 0)])
def test_a_crop_is_never_empty(box: Box) -> None:
    assert min(opened(cropped(view_of(photo(60, 40)), box)).size) >= 1
