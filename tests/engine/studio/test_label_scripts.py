"""What the page that labels computes without a page: boxes, undo, the queue of what is not saved, keys, and words."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.scripts import call_script
from vision_customization.engine.studio.dataset_contents import tone_of

LEAST = {"x": 0.01, "y": 0.02}
BOX = [0.2, 0.2, 0.4, 0.4]
CAT = {"labels": [{"tag": "cat"}], "empty": False}
DOG = {"labels": [{"tag": "dog"}], "empty": False}
NONE: dict[str, Any] = {"labels": [], "empty": False}
EMPTY: dict[str, Any] = {"waiting": [], "failures": 0, "alone": False}


def called(folder: Path, module: str, name: str, *arguments: object) -> Any:  # noqa: ANN401 - JSON
    [result] = call_script(folder, module, [[name, *arguments]])
    return result


def point(x: float, y: float) -> dict[str, float]:
    return {"x": x, "y": y}


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (["boxBetween", point(0.5, 0.6), point(0.1, 0.2), LEAST], [0.1, 0.2, 0.4, 0.4]),  # in any order
        (["boxBetween", point(-0.5, 0.9), point(0.1, 1.7), LEAST], [0, 0.9, 0.1, 0.1]),  # clipped
        (["boxBetween", point(0.5, 0.5), point(0.505, 0.9), LEAST], None),  # too narrow
        (["boxBetween", point(1.2, 0.5), point(1.4, 0.9), LEAST], None),  # beside the image
        (["moved", BOX, point(0.1, -0.1)], [0.3, 0.1, 0.4, 0.4]),
        (["moved", BOX, point(0.9, -0.9)], [0.6, 0, 0.4, 0.4]),  # keeps its size at the edge
        (["moved", [0, 0, 1, 1], point(0.5, 0.5)], [0, 0, 1, 1]),
        (["resized", BOX, "se", point(0.1, 0.1), LEAST], [0.2, 0.2, 0.5, 0.5]),
        (["resized", BOX, "nw", point(0.1, -0.1), LEAST], [0.3, 0.1, 0.3, 0.5]),
        (["resized", BOX, "n", point(0.3, 0.1), LEAST], [0.2, 0.3, 0.4, 0.3]),  # one side alone
        (["resized", BOX, "e", point(9, 9), LEAST], [0.2, 0.2, 0.8, 0.4]),
        (["resized", BOX, "w", point(0.9, 0), LEAST], [0.59, 0.2, 0.01, 0.4]),  # not through the other side
        (["resized", BOX, "s", point(0, -9), LEAST], [0.2, 0.2, 0.4, 0.02]),
        (["nudged", BOX, "ArrowLeft", point(0.01, 0.01), False], [0.19, 0.2, 0.4, 0.4]),
        (["nudged", BOX, "ArrowDown", point(0.01, 0.02), False], [0.2, 0.22, 0.4, 0.4]),
        (["nudged", BOX, "ArrowRight", point(0.01, 0.01), True], [0.2, 0.2, 0.41, 0.4]),
        (["nudged", BOX, "ArrowUp", point(0.01, 0.01), True], [0.2, 0.2, 0.4, 0.39]),
        (["nudged", [0, 0, 0.01, 0.01], "ArrowLeft", point(0.01, 0.01), True], [0, 0, 0.01, 0.01]),  # one pixel stays
        (["nudged", BOX, "Enter", point(0.01, 0.01), False], BOX),
        (["boxAt", [], point(0.5, 0.5), point(0, 0)], -1),
        (["boxAt", [[0, 0, 1, 1], BOX], point(0.3, 0.3), point(0, 0)], 1),  # the smaller one
        (["boxAt", [BOX, BOX], point(0.3, 0.3), point(0, 0)], 1),  # the upper one
        (["boxAt", [BOX], point(0.61, 0.3), point(0, 0)], -1),
        (["boxAt", [BOX], point(0.61, 0.3), point(0.02, 0.02)], 0),
        (["handleAt", BOX, point(0.2, 0.2), point(0.02, 0.02)], "nw"),
        (["handleAt", BOX, point(0.59, 0.41), point(0.02, 0.02)], "e"),
        (["handleAt", BOX, point(0.4, 0.4), point(0.02, 0.02)], None),
        (["handleAt", [0.2, 0.2, 0.01, 0.01], point(0.211, 0.211), point(0.05, 0.05)], "se"),  # the nearest
        (["beside", BOX, [], point(0.1, 0.1)], BOX),
        (["beside", BOX, [BOX], point(0.1, 0.1)], [0.3, 0.3, 0.4, 0.4]),
        (["beside", [0.5, 0.5, 0.5, 0.5], [[0.5, 0.5, 0.5, 0.5]], point(0.1, 0.1)], [0.5, 0.5, 0.5, 0.5]),  # in the corner
        (["middleBox", {"x": 0, "y": 0, "zoom": 1}], [0.375, 0.375, 0.25, 0.25]),
        (["middleBox", {"x": 0.5, "y": 0, "zoom": 2}], [0.6875, 0.1875, 0.125, 0.125]),
        (["zoomed", {"x": 0, "y": 0, "zoom": 1}, 2, point(0.5, 0.5)], {"x": 0.25, "y": 0.25, "zoom": 2}),
        (["zoomed", {"x": 0.2, "y": 0.2, "zoom": 2}, 0.1, point(0.5, 0.5)], {"x": 0, "y": 0, "zoom": 1}),
        (["zoomed", {"x": 0, "y": 0, "zoom": 16}, 2, point(0, 0)], {"x": 0, "y": 0, "zoom": 16}),
        (["panned", {"x": 0, "y": 0.4, "zoom": 2}, point(-0.1, 0.3)], {"x": 0, "y": 0.5, "zoom": 2}),
        (["showing", {"x": 0, "y": 0, "zoom": 2}, [0.6, 0.1, 0.2, 0.2]], {"x": 0.3, "y": 0, "zoom": 2}),
        (["showing", {"x": 0, "y": 0, "zoom": 4}, [0.2, 0.2, 0.6, 0.05]], {"x": 0.375, "y": 0, "zoom": 4}),  # its middle
    ],
)
def test_boxes(tmp_path: Path, call: list[Any], expected: object) -> None:
    [result] = call_script(tmp_path, "label_geometry.js", [call])
    if isinstance(expected, list | dict):
        assert result == pytest.approx(expected)
    else:
        assert result == expected


def changed(number: int, before: object, after: object, burst: str | None = None) -> dict[str, Any]:
    return {"number": number, "before": before, "after": after, **({} if burst is None else {"burst": burst})}


def test_undo_and_redo_across_images(tmp_path: Path) -> None:
    history: Any = {"done": [], "undone": []}
    for change in (changed(0, NONE, CAT), changed(1, NONE, DOG), changed(1, DOG, CAT)):
        history = called(tmp_path, "label_history.js", "recorded", history, change)
    steps = []
    while (step := called(tmp_path, "label_history.js", "undone", history)) is not None:
        history = step["history"]
        steps.append((step["number"], step["content"]))
    assert steps == [(1, DOG), (1, NONE), (0, NONE)]
    step = called(tmp_path, "label_history.js", "redone", history)
    assert (step["number"], step["content"]) == (0, CAT)
    history = called(tmp_path, "label_history.js", "recorded", step["history"], changed(2, NONE, DOG))
    assert called(tmp_path, "label_history.js", "redone", history) is None, "something new was done meanwhile"


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ([changed(0, CAT, CAT)], 0),  # nothing has changed
        ([changed(0, NONE, CAT, "a"), changed(0, CAT, DOG, "a")], 1),  # a burst
        ([changed(0, NONE, CAT, "a"), changed(0, CAT, DOG, "b")], 2),
        ([changed(0, NONE, CAT, "a"), changed(1, NONE, DOG, "a")], 2),  # on different images
        ([changed(number, NONE, CAT) for number in range(600)], 500),
    ],
)
def test_what_is_a_step_of_its_own(tmp_path: Path, changes: list[Any], count: int) -> None:
    history: Any = {"done": [], "undone": []}
    if count == 500:
        history = {"done": changes[:-1], "undone": []}
        changes = changes[-1:]
    for change in changes:
        history = called(tmp_path, "label_history.js", "recorded", history, change)
    assert len(history["done"]) == count
    if count == 1:
        assert called(tmp_path, "label_history.js", "undone", history)["content"] == NONE


def image(number: int, content: dict[str, Any], e_tag: str, state: str = "changed") -> dict[str, Any]:
    return {"number": number, **content, "eTag": e_tag, "state": state, "changedBy": "ada"}


class Queue:
    """The queue's functions, one after the other."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.state: Any = EMPTY

    def __call__(self, name: str, *arguments: object) -> Any:  # noqa: ANN401 - JSON
        return called(self._folder, "label_queue.js", name, self.state, *arguments)

    def put(self, number: int, content: dict[str, Any], e_tag: str = "1") -> None:
        self.state = self("put", number, content, e_tag)

    def take(self) -> list[Any]:
        found = self("taken")
        self.state = found["queue"]
        batch: list[Any] = found["batch"]
        return batch

    def do(self, name: str, *arguments: object) -> None:
        self.state = self(name, *arguments)

    @property
    def waiting(self) -> dict[int, Any]:
        return {each["number"]: each for each in self.state["waiting"]}


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    return Queue(tmp_path)


def test_what_is_saved_waits_no_more(queue: Queue) -> None:
    queue.put(0, CAT)
    queue.put(1, DOG)
    assert [each["number"] for each in queue.take()] == [0, 1]
    queue.do("answered", [{"number": 0, "saved": True, "image": image(0, CAT, "2")}])
    assert list(queue.waiting) == [1]


def test_a_change_during_a_save_is_sent_with_the_new_etag(queue: Queue) -> None:
    queue.put(0, CAT)
    queue.take()
    queue.put(0, DOG)
    queue.do("answered", [{"number": 0, "saved": True, "image": image(0, CAT, "2")}])
    [again] = queue.take()
    assert (again["content"], again["eTag"]) == (DOG, "2")
    queue.do("answered", [{"number": 0, "saved": True, "image": image(0, DOG, "3")}])
    assert queue.waiting == {}


def test_an_answer_that_was_lost_is_no_conflict(queue: Queue) -> None:
    queue.put(0, CAT)
    queue.take()
    queue.do("failed")
    queue.put(0, DOG)
    queue.take()
    queue.do("answered", [{"number": 0, "saved": False, "image": image(0, CAT, "2")}])
    [again] = queue.take()
    assert (again["content"], again["eTag"]) == (DOG, "2")


def test_a_conflict_waits_for_a_decision(queue: Queue) -> None:
    queue.put(0, CAT)
    queue.take()
    theirs = image(0, DOG, "2")
    queue.do("answered", [{"number": 0, "saved": False, "image": theirs}])
    assert queue.waiting[0]["theirs"] == theirs
    assert queue("waitingCounts") == {"toSend": 0, "conflicts": 1, "refusals": 0}
    assert queue.take() == []
    queue.put(0, NONE)
    assert queue.take() == [], "a change of mine decides nothing"
    queue.do("keptMine", 0, "2")
    [again] = queue.take()
    assert (again["content"], again["eTag"]) == (NONE, "2")


@pytest.mark.parametrize("now", [None, image(0, CAT, "2", state="removed")])
def test_an_image_that_is_gone_is_a_conflict(queue: Queue, now: object) -> None:
    queue.put(0, CAT)
    queue.take()
    queue.do("answered", [{"number": 0, "saved": False, "image": now}])
    assert queue.waiting[0]["theirs"] == now


def test_one_refusal_holds_up_no_other(queue: Queue) -> None:
    for number in range(3):
        queue.put(number, CAT)
    queue.do("refused", [each["number"] for each in queue.take()], "no")
    assert [each["number"] for each in queue.take()] == [0]
    queue.do("refused", [0], "A tag is too long.")
    assert queue.waiting[0]["refused"] == "A tag is too long."
    assert [each["number"] for each in queue.take()] == [1]
    queue.do("answered", [{"number": 1, "saved": True, "image": image(1, CAT, "2")}])
    assert [each["number"] for each in queue.take()] == [2]
    queue.do("answered", [{"number": 2, "saved": True, "image": image(2, CAT, "2")}])
    assert list(queue.waiting) == [0]
    assert queue.state["alone"] is False
    queue.put(0, DOG)
    assert [each["number"] for each in queue.take()] == [0], "what was refused is sent once it changes"


@pytest.mark.parametrize(("failures", "seconds"), [(0, 0), (1, 1), (2, 2), (4, 8), (5, 15), (50, 15)])
def test_attempts_become_rarer(tmp_path: Path, failures: int, seconds: int) -> None:
    assert called(tmp_path, "label_queue.js", "retrySeconds", {**EMPTY, "failures": failures}) == seconds


def test_batches_are_bounded(queue: Queue) -> None:
    many = {"labels": [{"tag": "cat", "bbox": BOX}] * 1000, "empty": False}
    queue.state = {**EMPTY, "waiting": [{"number": n, "content": many, "eTag": "1", "sent": []} for n in range(6)]}
    assert len(queue.take()) == 4
    queue.state = {**EMPTY, "waiting": [{"number": n, "content": CAT, "eTag": "1", "sent": []} for n in range(80)]}
    assert len(queue.take()) == 50


LANE = {"numbers": [4, 7, 9], "low": 3, "high": 12}
WHOLE: dict[str, Any] = {"numbers": [4, 7, 9], "low": -1, "high": None}


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (["nextIn", LANE, 4], 7),
        (["nextIn", LANE, 3], 4),
        (["nextIn", WHOLE, 9], None),
        (["previousIn", LANE, 9], 7),
        (["previousIn", WHOLE, 4], None),
        (["laneAt", 5, True], {"numbers": [5], "low": 4, "high": 6}),
        (["laneAt", -1, False], {"numbers": [], "low": -2, "high": 0}),
        (["extended", LANE, [13, 20], 2], {"numbers": [4, 7, 9, 13, 20], "low": 3, "high": 21}),
        (["extended", LANE, [13], 2], {"numbers": [4, 7, 9, 13], "low": 3, "high": None}),  # the end
        (["extended", LANE, [], 2], {"numbers": [4, 7, 9], "low": 3, "high": None}),
        (["preceded", LANE, [2, 1], 2], {"numbers": [1, 2, 4, 7, 9], "low": 0, "high": 12}),
        (["preceded", LANE, [2], 2], {"numbers": [2, 4, 7, 9], "low": -1, "high": 12}),  # the first
        (["including", LANE, 5], {"numbers": [4, 5, 7, 9], "low": 3, "high": 12}),
        (["including", LANE, 30], LANE),
        (["excluding", LANE, [7, 8]], {"numbers": [4, 9], "low": 3, "high": 12}),
        (["knownAfter", LANE, 4], 2),
    ],
)
def test_a_stretch_of_a_list(tmp_path: Path, call: list[Any], expected: object) -> None:
    assert call_script(tmp_path, "label_lane.js", [call]) == [expected]


@pytest.mark.parametrize(
    ("name", "number"), [("nextIn", 9), ("nextIn", 12), ("nextIn", 2), ("previousIn", 4), ("previousIn", 13)]
)
def test_what_is_not_known_of_a_list(tmp_path: Path, name: str, number: int) -> None:
    # JSON has no undefined: an array of it reads null, and `null` would be the end of the list.
    (tmp_path / "probe.js").write_text(
        'import * as lane from "./label_lane.js"; export const kindOf = (name, ...args) => typeof lane[name](...args);'
    )
    assert call_script(tmp_path, "probe.js", [["kindOf", name, LANE, number]]) == ["undefined"]


ONE, MANY, BOXED = "imageClassification", "imageMultiLabelClassification", "imageObjectDetection"


@pytest.mark.parametrize(
    ("pressed", "kind", "selected", "expected"),
    [
        ({"key": "1"}, ONE, False, {"does": "tag", "index": 0}),
        ({"key": "9"}, BOXED, True, {"does": "tag", "index": 8}),
        ({"key": "0"}, ONE, False, {"does": "clear"}),
        ({"key": "0"}, BOXED, False, {"does": "zoomAll"}),
        ({"key": "ArrowLeft"}, ONE, False, {"does": "before"}),
        ({"key": "A"}, ONE, False, {"does": "before"}),  # caps lock
        ({"key": "d"}, BOXED, True, {"does": "after"}),
        ({"key": "ArrowRight"}, BOXED, False, {"does": "after"}),
        ({"key": "ArrowRight"}, BOXED, True, {"does": "nudge", "key": "ArrowRight", "pixels": 1, "resize": False}),
        (
            {"key": "ArrowUp", "altKey": True, "shiftKey": True},
            BOXED,
            True,
            {"does": "nudge", "key": "ArrowUp", "pixels": 10, "resize": True},
        ),
        ({"key": "ArrowLeft", "altKey": True}, BOXED, False, None),  # the browser's
        ({"key": "ArrowUp"}, ONE, False, None),
        ({"key": "z", "ctrlKey": True}, ONE, False, {"does": "undo"}),
        ({"key": "Z", "ctrlKey": True, "shiftKey": True}, ONE, False, {"does": "redo"}),
        ({"key": "z", "metaKey": True}, BOXED, False, {"does": "undo"}),
        ({"key": "y", "ctrlKey": True}, ONE, False, {"does": "redo"}),
        ({"key": "c", "ctrlKey": True}, BOXED, True, {"does": "copy"}),
        ({"key": "c", "ctrlKey": True}, ONE, False, None),
        ({"key": "1", "ctrlKey": True}, ONE, False, None),  # the browser's
        ({"key": "x"}, MANY, False, {"does": "skip"}),
        ({"key": "n"}, ONE, False, {"does": "newTag"}),
        ({"key": "n"}, BOXED, False, {"does": "boxByKeyboard"}),
        ({"key": "t"}, BOXED, False, {"does": "newTag"}),
        ({"key": "Enter"}, BOXED, False, {"does": "on"}),
        ({"key": "Tab", "shiftKey": True}, BOXED, False, {"does": "nextBox", "back": True}),
        ({"key": "Tab"}, ONE, False, None),
        ({"key": "toString"}, ONE, False, None),
        ({"key": "constructor", "ctrlKey": True}, BOXED, False, None),
    ],
)
def test_keys(tmp_path: Path, pressed: dict[str, Any], kind: str, selected: bool, expected: object) -> None:
    assert called(tmp_path, "label_keys.js", "commandOf", pressed, kind, selected) == expected


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([], "nothing"),
        ([{"tag": "cat"}], "cat"),
        ([{"tag": tag} for tag in "abc"], "a, b and c"),
        ([{"tag": "cup", "bbox": BOX}], "1 box: 1 × cup"),
        ([{"tag": tag, "bbox": BOX} for tag in ("cup", "fork", "cup")], "3 boxes: 2 × cup, 1 × fork"),
    ],
)
def test_labels_in_words(tmp_path: Path, labels: list[Any], words: str) -> None:
    assert called(tmp_path, "label_words.js", "labelsInWords", labels) == words


def test_colours_are_those_of_other_pages(tmp_path: Path) -> None:
    tags = ["cup", "fork", "Gänseblümchen", "椅子", "", "a" * 300]
    assert call_script(tmp_path, "label_tones.js", [["toneOf", tag] for tag in tags]) == [tone_of(tag) for tag in tags]


@pytest.mark.parametrize(
    ("waiting", "more", "says", "choices"),
    [
        (None, {}, None, []),
        (None, {"state": "removed"}, "was removed", ["restore"]),
        (None, {"theirs": [{"tag": "dog"}]}, "by now: dog", ["takeBase", "keepOwn"]),
        ({"refused": "It is too long."}, {}, "It is too long.", ["discard"]),
        ({"theirs": None}, {}, "does not have this image", ["discard"]),
        (
            {"theirs": image(0, DOG, "2")},
            {},
            "ada changed this image. It has: dog. Yours are not saved: cat.",
            ["takeTheirs", "keepMine"],
        ),
        ({"theirs": image(0, DOG, "2", "removed")}, {}, "was removed from the draft", ["keepMine", "discard"]),
    ],
)
def test_what_needs_a_decision(tmp_path: Path, waiting: Any, more: Any, says: str | None, choices: list[str]) -> None:  # noqa: ANN401 - JSON
    given = None if waiting is None else {"number": 0, "content": CAT, "eTag": "1", "sent": [], **waiting}
    program = 'import { noticeOf } from "./label_notice.js"; export const said = (i, w, me) => noticeOf(i, w ?? undefined, me);'
    (tmp_path / "probe.js").write_text(program)
    notice = called(tmp_path, "probe.js", "said", {**image(0, CAT, "1"), **more}, given, "ben")
    if says is None:
        assert notice is None
    else:
        assert says in notice["text"]
        assert [choice for choice, _ in notice["choices"]] == choices
