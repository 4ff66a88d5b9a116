import pytest

from vision_customization.engine.inspection import report as module
from vision_customization.engine.inspection.report import Inspected, Judge, Report, inspect

PLAIN = bytes(1024)


def test_a_report_says_what_was_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "NEAR_IMAGES_MAX", 2)
    dataset = Inspected("train", "c1", ["a", "b", "c", "a", "old", None, None])
    test = Inspected("test", "c2", ["b", None])
    judges = [Judge(test, "test", "m is tested on it"), Judge(None, "gone", "m was evaluated on it", "it is not registered")]
    report = inspect(dataset, judges, dict.fromkeys("abc", PLAIN))
    assert (report.images, report.read) == (7, 5)
    assert report.copies.groups == [[0, 3]]
    assert report.near.groups == []
    unread, without, left_out = report.not_compared
    assert unread.startswith("2 images were not compared, because the engine has not read them yet")
    assert without.startswith("1 image was compared only by content, because it has no thumbnail")
    assert left_out.startswith("1 image was compared only by content: near-duplicates are searched among the first 2 images")
    first, second = report.sides
    assert (first.dataset, first.same.groups, first.same.count, first.near.count) == ("test", [[1, 0]], 1, 0)
    assert first.not_compared[-1].startswith("Of 'test': 1 image was not compared, because the engine has not read it yet")
    assert second.not_compared == ["it is not registered"]


def test_it_keeps_only_so_many_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_MAX", 2)
    report = inspect(Inspected("d", "c", [*"abcd", *"abcd"]), [], {})
    assert (report.copies.groups, report.copies.count) == ([[0, 4], [1, 5]], 4)


def test_it_is_read_back_as_it_was_written() -> None:
    report = inspect(Inspected("d", "c", ["a", "a", None]), [Judge(Inspected("t", "c2", ["a"]), "t", "why")], {})
    assert Report.from_json(report.model_dump_json().encode()) == report


@pytest.mark.parametrize("data", [b"", b"[]", b'{"version":0,"images":1,"read":1,"copies":{},"near":{}}'])
def test_one_of_another_version_is_none(data: bytes) -> None:
    assert Report.from_json(data) is None
