"""What a change of many images asks of each, which are functions of the images alone."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.scripts import call_script


def image(number: int, *tags: str, **more: object) -> dict[str, Any]:
    labels = [{"tag": tag} for tag in tags]
    return {"number": number, "eTag": "7", "fileName": "a", "labels": labels, "empty": False, "state": "same", **more}


def orders(tmp_path: Path, images: list[dict[str, Any]], tag: str, kind: str, *, away: bool = False) -> dict[int, list[str]]:
    [found] = call_script(tmp_path, "bulk_labels.js", [["ordersFor", images, tag, kind, away]])
    assert isinstance(found, list)
    assert all(order["eTag"] == "7" and not order["empty"] for order in found)
    return {order["number"]: [label["tag"] for label in order["labels"]] for order in found}


@pytest.mark.parametrize(
    ("tag", "kind", "away", "expected"),
    [
        ("cat", "single", False, {2: ["cat"], 3: ["cat"]}),  # 1 has it already
        ("", "single", False, {1: [], 2: []}),
        ("cat", "several", False, {2: ["dog", "cat"], 3: ["cat"]}),
        ("cat", "several", True, {1: []}),
        ("", "several", False, {1: [], 2: []}),
    ],
)
def test_only_what_changes_is_sent(tmp_path: Path, tag: str, kind: str, away: bool, expected: dict[int, list[str]]) -> None:
    images = [image(1, "cat"), image(2, "dog"), image(3)]
    assert orders(tmp_path, images, tag, kind, away=away) == expected


def test_removed_images_and_conflicts_are_left(tmp_path: Path) -> None:
    images = [image(1, state="removed"), image(2, theirs=[]), image(3, empty=True)]
    assert orders(tmp_path, images, "cat", "single") == {3: ["cat"]}


def test_a_tag_is_taken_away_if_all_have_it(tmp_path: Path) -> None:
    both = [image(1, "cat"), image(2, "dog", "cat")]
    calls = [["takesAway", both, "cat", "several"], ["takesAway", both, "dog", "several"], ["takesAway", both, "cat", "single"]]
    assert call_script(tmp_path, "bulk_labels.js", [*calls, ["takesAway", [], "cat", "several"]]) == [True, False, False, False]


def test_undo_sends_what_was_there(tmp_path: Path) -> None:
    [back] = call_script(tmp_path, "bulk_labels.js", [["orderBack", image(4, "cat"), "9"]])
    assert back == {"number": 4, "eTag": "9", "labels": [{"tag": "cat"}], "empty": False}
    [looked] = call_script(tmp_path, "bulk_labels.js", [["orderBack", image(4, empty=True), "9"]])
    assert looked["empty"] is True
