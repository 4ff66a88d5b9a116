from collections.abc import Sequence

import pytest

from vision_customization.engine.inspection import report as module
from vision_customization.engine.inspection.report import Found, Judge, Report, inspect

PLAIN = bytes(1024)


def positions(found: Found) -> list[list[int]]:
    return [group.positions for group in found.groups]


def without_thumbnails(_digests: Sequence[str]) -> dict[str, bytes]:
    return {}


def test_a_report_says_what_was_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "NEAR_IMAGES_MAX", 3)
    asked: list[list[str]] = []

    def miniatures_of(digests: Sequence[str]) -> dict[str, bytes]:
        asked.append(list(digests))
        return {digest: PLAIN for digest in digests if digest != "old"}

    judges = [
        Judge("test", "m is tested on it", ["b", None]),
        Judge("gone", "m was evaluated on it", None, "Dataset 'gone' is not registered any more."),
    ]
    report = inspect(["a", "b", "old", "a", "c", None, None], [(64, 48)] * 7, judges, miniatures_of)
    assert asked == [["a", "b", "old"], ["b"]]
    assert (report.images, report.read) == (7, 5)
    assert positions(report.copies) == [[0, 3]]
    assert positions(report.near) == []
    unread, without, left_out = report.not_compared
    assert unread.startswith("2 images were not compared, because the engine has not read them yet")
    assert without.startswith("1 image was compared only by content, because it has no thumbnail")
    assert left_out.startswith("1 image was compared only by content: near-duplicates are searched among the first 3 images")
    first, second = report.sides
    assert (first.dataset, positions(first.same), first.same.count, first.near.count) == ("test", [[1, 0]], 1, 0)
    assert first.not_compared[0].startswith("Of dataset 'test', 1 image was not compared")
    assert second.not_compared == ["Dataset 'gone' is not registered any more."]


def test_it_keeps_only_so_many_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_MAX", 2)
    monkeypatch.setattr(module, "GROUP_MAX", 3)
    report = inspect([*"abcd", *"aaabcd"], [], [], without_thumbnails)
    assert (positions(report.copies), report.copies.count) == ([[0, 4, 5], [1, 7]], 4)
    assert [group.count for group in report.copies.groups] == [4, 2]


def test_it_says_how_large_the_images_are() -> None:
    sizes = inspect(["a", "b"], [(64, 48), (640, 480)], [], without_thumbnails).sizes
    assert sizes.text.startswith("Images have 2 different sizes.")
    assert sizes.ranges == [("below 64 px", 1), ("64 to 127 px", 0), ("128 to 255 px", 0), ("256 to 511 px", 1)]


def test_it_is_read_back_as_it_was_written() -> None:
    report = inspect(["a", "a", None], [(9, 9)], [Judge("t", "why", ["a"])], without_thumbnails)
    assert Report.from_json(report.model_dump_json().encode()) == report


@pytest.mark.parametrize("data", [b"", b"[]", b'{"version":0,"images":1,"read":1,"copies":{},"near":{}}'])
def test_one_of_another_version_is_none(data: bytes) -> None:
    assert Report.from_json(data) is None
