from collections.abc import Iterator

import numpy as np
import pytest

from vision_customization.engine.inspection import likeness
from vision_customization.engine.inspection.likeness import copies, near_duplicates, nearly_same_pictures, same_pictures


def picture(seed: int, shade: int = 0) -> bytes:
    """A miniature of an own picture; another shade of it is a near-duplicate."""
    blocks = np.random.default_rng(seed).integers(0, 200, (8, 8)).repeat(4, 0).repeat(4, 1)
    return (blocks + shade).astype(np.uint8).tobytes()


MINIATURES = {"a": picture(1), "a2": picture(1, 9), "a3": picture(1, 20), "b": picture(2), "c": picture(3), "c2": picture(3, 5)}


@pytest.mark.parametrize(
    ("digests", "groups"),
    [
        ([], []),
        (["a", "b"], []),
        (["a", "b", "a", "c", "b", "a"], [[0, 2, 5], [1, 4]]),
        ([None, None, "a"], []),  # images that were not read have no known content
    ],
)
def test_copies_have_the_same_content(digests: list[str | None], groups: list[list[int]]) -> None:
    found = copies(digests)
    assert (found.groups, found.complete) == (groups, True)


@pytest.mark.parametrize(
    ("digests", "groups"),
    [
        (["a", "b", "c"], []),
        (["b", "a", "c", "a2", "c2", "a3"], [[1, 3, 5], [2, 4]]),
        (["a", "a", "a2"], [[0, 2]]),  # of copies, the first counts
        (["a", None, "unknown", "a2"], [[0, 3]]),  # no thumbnail: not compared
    ],
)
def test_near_duplicates_look_alike(digests: list[str | None], groups: list[list[int]]) -> None:
    assert near_duplicates(digests, MINIATURES).groups == groups


def test_the_search_ends_after_enough_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def pairs(*_miniatures: object) -> Iterator[tuple[int, int]]:
        for second in range(1, 1000):
            asked.append(second)
            yield 0, second

    monkeypatch.setattr(likeness, "found_pairs", pairs)
    digests = [f"{number}" for number in range(1000)]
    found = near_duplicates(digests, dict.fromkeys(digests, b""), pairs_max=5)
    assert (found.groups, found.complete) == ([[0, 1, 2, 3, 4, 5]], False)
    assert len(asked) == 6


def test_pictures_on_both_sides() -> None:
    here: list[str | None] = ["a", "c", "b", None, "a"]
    there: list[str | None] = ["x", "b", "c2", None, "b"]
    assert same_pictures(here, there).pairs == [(2, 1)]
    assert nearly_same_pictures(here, there, MINIATURES).pairs == [(1, 2)]
    assert nearly_same_pictures(here, ["a2"], MINIATURES).pairs == [(0, 0), (4, 0)]
    assert nearly_same_pictures(here, [], MINIATURES).pairs == []
