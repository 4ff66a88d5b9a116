"""What Try it out says of an answer: functions of values alone, in Node.js."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.scripts import call_script

MODULE = "try_words.js"


def said(folder: Path, function: str, *arguments: Any) -> Any:  # noqa: ANN401 - JSON
    return call_script(folder, MODULE, [[function, *arguments]])[0]


@pytest.mark.parametrize(
    ("function", "cases"),
    [
        ("percent", {0: "0.0 %", 0.0004: "< 0.1 %", 0.5: "50.0 %", 0.9714: "97.1 %", 0.99996: "> 99.9 %", 1: "100.0 %"}),
        ("seconds", {0: "0.00 s", 312: "0.31 s", 9949: "9.95 s", 9950: "10 s", 61_000: "61 s"}),
        ("size", {0: "1 KiB", 1024: "1 KiB", 34_400: "34 KiB", 20_971_520: "20.0 MiB"}),
    ],
)
def test_numbers(tmp_path: Path, function: str, cases: dict[float, str]) -> None:
    assert call_script(tmp_path, MODULE, [[function, value] for value in cases]) == list(cases.values())


@pytest.mark.parametrize(
    ("novelty", "compared", "novel"),
    [
        (0, "0 of 100", False),
        (0.37, "37 of 100", False),
        (0.29, "29 of 100", False),  # 28.999999999999996
        (0.979, "97 of 100", False),
        (0.98, "98 of 100", True),
        (0.9999, "99 of 100", True),
        (1, "all", True),
    ],
)
def test_novelty_in_words(tmp_path: Path, novelty: float, compared: str, novel: bool) -> None:
    words = said(tmp_path, "noveltyWords", novelty, 0.98)
    assert words["text"].startswith(f"More unlike the training images than {compared} of them.")
    assert words["novel"] == novel
    assert ("train again" in words["text"]) == novel


def tags(*found: tuple[str, float] | tuple[str, float, float]) -> list[dict[str, Any]]:
    return [dict(zip(("name", "confidence", "threshold"), one, strict=False)) for one in found]


ONE = tags(("a", 0.6), ("b", 0.2), ("c", 0.1), ("d", 0.1))
SEVERAL = tags(("a", 0.6, 0.7), ("b", 0.5, 0.5), ("c", 0.4, 0.1), ("d", 0.3, 0.9))


@pytest.mark.parametrize(
    ("given", "least", "shown"),
    [
        (ONE, 2, ["a", "b"]),
        (ONE, 9, ["a", "b", "c", "d"]),
        (SEVERAL, 1, ["b", "c"]),  # all that are present, however few are asked for
        (SEVERAL, 3, ["b", "c", "a"]),
        (tags(("a", 0.1, 0.5), ("b", 0.05, 0.5)), 1, ["a"]),
        ([], 3, []),
    ],
)
def test_the_first_tags(tmp_path: Path, given: list[dict[str, Any]], least: int, shown: list[str]) -> None:
    assert [tag["name"] for tag in said(tmp_path, "firstTags", given, least)] == shown


def found(id_: str, name: str, confidence: float = 0.9, *others: str) -> dict[str, Any]:
    box = {"x": 10 * int(id_), "y": 0, "w": 10, "h": 20}
    return {"id": id_, "boundingBox": box, "tags": tags((name, confidence), *((other, 0.1) for other in others))}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([], "0 objects"),
        ([found("1", "pear")], "1 object: 1 pear"),
        (
            [found("1", "pear"), found("2", "apple"), found("3", "fig"), found("4", "apple")],
            "4 objects: 2 apple, 1 fig, 1 pear",
        ),
        ([found("1", "__proto__"), found("2", "constructor")], "2 objects: 1 __proto__, 1 constructor"),
    ],
)
def test_counts_by_tag(tmp_path: Path, given: list[dict[str, Any]], says: str) -> None:
    assert said(tmp_path, "countedByTag", given, "object") == says


def test_a_product_may_be_one_of_several(tmp_path: Path) -> None:
    [group] = said(tmp_path, "objectGroups", [found("1", "cola", 0.9, "tea")])
    assert [(mark["label"], mark["note"], mark["look"]) for mark in group["marks"]] == [
        ("cola", "90.0 %, or tea 10.0 %", "found")
    ]


PRODUCTS = [found("1", "cola"), found("2", "oats"), found("3", "rice"), found("4", "cola", 0.4)]
GAPS = [found("9", "gap")]
PHOTO = {"width": 100, "height": 50}


def position(
    id_: str, name: str, *, at: int | None = 0, found: str | None = None, instead: str | None = None
) -> dict[str, Any]:
    place = None if at is None else {"x": at, "y": 0, "w": 10, "h": 20}
    return {"id": id_, "name": name, "place": place, "found": found, "instead": instead}


def groups(folder: Path, *match: Any) -> dict[str, list[tuple[str, str, bool]]]:  # noqa: ANN401
    shown = said(folder, "productGroups", PRODUCTS, GAPS, *match, PHOTO)
    return {
        group["title"]: [(mark["label"], mark["look"], mark["box"] is not None) for mark in group["marks"]] for group in shown
    }


def test_products_and_gaps(tmp_path: Path) -> None:
    assert groups(tmp_path, None) == {
        "4 products": [("cola", "found", True), ("oats", "found", True), ("rice", "found", True), ("cola", "found", True)],
        "1 gap": [("gap", "gap", True)],
    }


def test_products_beside_a_planogram(tmp_path: Path) -> None:
    positions = [
        position("a", "cola", found="1"),
        position("b", "tea", instead="2"),
        position("c", "tea", at=20),
        position("d", "tea", at=100),  # the photo ends there
        position("e", "tea", at=-10),
        position("f", "tea", at=None),
    ]
    match = {"positions": positions, "extra": ["3", "4"]}
    assert groups(tmp_path, match) == {
        "4 missing": [("tea", "missing", True), *[("tea", "missing", False)] * 3],
        "1 wrong": [("oats, not tea", "wrong", True)],
        "1 as planned": [("cola", "planned", True)],
        "2 not in the planogram, or too many": [("rice", "extra", True), ("cola", "extra", True)],
        "1 gap": [("gap", "gap", True)],
    }
    notes = [mark["note"] for mark in said(tmp_path, "productGroups", PRODUCTS, GAPS, match, PHOTO)[0]["marks"]]
    assert notes == ["position c", "position d, outside of the photo", "position e, outside of the photo", "position f"]
    assert said(tmp_path, "matchWords", match) == "1 of 6 positions as planned, 4 missing, 1 wrong, 2 more."


def test_a_match_of_products_that_are_gone_meanwhile(tmp_path: Path) -> None:
    """The threshold was raised: the planogram was compared with products that are no longer shown."""
    match = {"positions": [position("a", "cola", found="77")], "extra": ["78"]}
    assert groups(tmp_path, match) == {"1 missing": [("cola", "missing", True)], "1 gap": [("gap", "gap", True)]}


def test_nothing_matched(tmp_path: Path) -> None:
    assert said(tmp_path, "matchWords", {"positions": [position("a", "x", at=None)], "extra": []}).startswith(
        "No product was found"
    )
    assert (
        said(tmp_path, "matchWords", {"positions": [], "extra": []})
        == "0 of 0 positions as planned, 0 missing, 0 wrong, 0 more."
    )


PLAN = {"width": 1, "height": 1}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (json.dumps(PLAN), {"planogram": PLAN}),
        (json.dumps({"detectedProducts": {}, "planogram": PLAN}), {"planogram": PLAN}),
        ("", "Paste a planogram"),
        (" \n", "Paste a planogram"),
        ("[]", "is not a JSON object"),
        ("1", "is not a JSON object"),
        ("null", "is not a JSON object"),
        ('{"width": 1,}', "The planogram is not JSON: "),
    ],
)
def test_planograms(tmp_path: Path, text: str, expected: dict[str, Any] | str) -> None:
    read = said(tmp_path, "readPlanogram", text)
    assert read == expected if isinstance(expected, dict) else expected in read["problem"]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("https://a.example/b.jpg", "https://a.example/b.jpg"),
        ("  HTTP://a.example/b.jpg\r\n", "HTTP://a.example/b.jpg"),
        ("# a comment, as in text/uri-list\r\nhttps://a.example/b.jpg", "https://a.example/b.jpg"),
        ("https://a.example/b.jpg\nhttps://a.example/c.jpg", None),
        ("see https://a.example/b.jpg", None),
        ("https://a.example/b c.jpg", None),
        ("javascript:alert(1)", None),
        ("file:///etc/passwd", None),
        ("", None),
    ],
)
def test_addresses(tmp_path: Path, text: str, address: str | None) -> None:
    assert said(tmp_path, "onlyAddress", text) == address


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://a.example/c/photo.jpg?sig=secret", "photo.jpg"),
        ("https://me:secret@a.example/", "a.example"),
        ("https://a.example/%C3%A9t%C3%A9.jpg#x", "été.jpg"),
        ("https://a.example/%ff.jpg", "picture of a URL"),
        ("no address", "picture of a URL"),
    ],
)
def test_names_of_addresses_show_no_secret(tmp_path: Path, address: str, name: str) -> None:
    assert said(tmp_path, "nameOfAddress", address) == name
