"""Images in columns, and ids that take no memory: the same as tuples and a dictionary."""

from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.jobs.drawn import coco
from vision_customization.contract.coco.id_map import IdMap
from vision_customization.contract.enums import Purpose
from vision_customization.engine.annotations import TaggedImage, read_classification
from vision_customization.engine.annotations.images import FirstOfUrl, ImageEntries

IDS = st.integers(-3, 6) | st.sampled_from([2**63, -(2**64) + 1])


@given(ids=st.lists(IDS) | st.integers(1, 9).map(lambda count: [*range(5, 5 + count), 6, 40, 5 + count]))
def test_an_id_map_is_a_dictionary(ids: list[int]) -> None:
    found, expected = IdMap(), dict[int, int]()
    for number, id_ in enumerate(ids):
        assert found.setdefault(id_, number) == expected.setdefault(id_, number)
    for value in (*ids, *range(-4, 12), 1.0, 1.5, True, float("nan"), float("inf"), None, "1", [1]):
        assert found.find(value) == (None if isinstance(value, list) else expected.get(value))  # type: ignore[arg-type]


@pytest.mark.parametrize("step", [1, -1])
def test_ids_in_a_row_take_no_memory(step: int) -> None:
    ids = IdMap()
    for number in range(1000):
        ids.setdefault(7 + step * number, number)
    assert not ids._others
    assert (ids.find(7 + step * 999), ids.find(7 + step * 1000)) == (999, None)


def test_urls_with_the_same_hash_are_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vision_customization.engine.annotations.images.hash", lambda _: 1, raising=False)
    entries = ImageEntries()
    entries.begin_file("f.json")
    first = FirstOfUrl(entries)
    numbers = [entries.append(url, "", index, index) for index, url in enumerate(["a", "b", "a", "b", "c"])]
    assert [first.setdefault(number) for number in numbers] == [0, 1, 0, 1, 4]


def test_images_can_be_cut_and_put_in_order() -> None:
    urls = [f"https://h/{number}.png" for number in range(6)]
    file = BytesIO(coco([(url, "ab"[number % 2]) for number, url in enumerate(urls)], ["a", "b"]))
    images = read_classification([("f.json", file)], Purpose.TRAINING).images
    assert images == tuple(images)
    assert images != tuple(images)[:-1]
    assert images[4:] == images[-2:] == tuple(images)[4:]
    assert isinstance(images[-1], TaggedImage)
    assert (images[-1].url, images[-1].tag) == (urls[-1], 1)
    assert [image.tag for image in images.renumbered([5, 3])] == [5, 3, 5, 3, 5, 3]
