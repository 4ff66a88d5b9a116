from collections import Counter

import pytest

from vision_customization.engine.inspection.balance import balance_text
from vision_customization.engine.inspection.sizes import SizeBin, size_bins, sizes_text


@pytest.mark.parametrize(
    ("images", "starts"),
    [
        ({}, ""),
        ({"a": 40, "b": 50}, "The tags are balanced: each is on 40 to 50 images."),
        ({"a": 40, "b": 40}, "Each tag is on 40 images."),
        ({"a": 100, "b": 199}, "The tags are balanced: each is on 100 to 199 images."),
        ({"a": 100, "b": 200}, "“b” is on 2 times as many images as “a” (200 and 100)."),
        ({"a": 100, "b": 950}, "“b” is on 9.5 times as many images as “a” (950 and 100)."),
        (
            {"a": 400, "b": 10},
            (
                "“a” is on 40 times as many images as “b” (400 and 10). "
                "A model sees “b” too rarely to learn it as well: add images of it."
            ),
        ),
        ({"a": 400, "b": 0}, "“b” is on no image, so a model cannot learn it."),
        ({"a": 4}, "Fewer than 5 images have “a”: results for such a tag are mostly chance."),
        (dict.fromkeys("abcde", 2), "Each tag is on 2 images. Fewer than 5 images have “a”, “b”, “c” and 2 more:"),
    ],
)
def test_balance_in_words(images: dict[str, int], starts: str) -> None:
    assert balance_text(images).startswith(starts)
    assert starts or not balance_text(images)


@pytest.mark.parametrize(
    ("sizes", "text"),
    [
        ({}, ""),
        ({(640, 480): 3}, "All images are 640 × 480 px."),
        ({(640, 480): 3, (800, 600): 1}, "Most images (75 %) are 640 × 480 px."),
        ({(640, 480): 290, (800, 600): 1}, "Most images (> 99 %) are 640 × 480 px."),
        ({(640, 480): 1, (800, 600): 1}, "Images have 2 different sizes. The most frequent one is 640 × 480 px."),
        (
            {(640, 480): 2, (800, 600): 1, (100, 50): 2},
            (
                "Images have 3 different sizes. The most frequent one is 100 × 50 px. "
                "2 images are less than 128 px wide or high: a model sees little there."
            ),
        ),
    ],
)
def test_sizes_in_words(sizes: dict[tuple[int, int], int], text: str) -> None:
    assert sizes_text(Counter(sizes)) == text


def test_advice_begins_with_ten_times_as_many() -> None:
    assert "too rarely" not in balance_text({"a": 100, "b": 999})
    assert "too rarely" in balance_text({"a": 100, "b": 1000})


def test_sizes_are_counted_by_the_shorter_side() -> None:
    bins = size_bins({(640, 480): 1, (300, 4000): 1, (63, 500): 1, (511, 512): 1})
    assert bins == [SizeBin(0, 64, 1), SizeBin(64, 128, 0), SizeBin(128, 256, 0), SizeBin(256, 512, 3)]
    assert [each.text for each in bins] == ["below 64 px", "64 to 127 px", "128 to 255 px", "256 to 511 px"]
    assert size_bins({}) == []
    assert size_bins({(9000, 5000): 1}) == [SizeBin(4096, None, 1)]
    assert size_bins({(9000, 5000): 1})[0].text == "4,096 px and more"
