"""What an import makes of file names, folders and COCO files: functions of values alone, in Node.js."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.scripts import call_script

RULES = {"boxes": 1000, "tagLength": 255}
SINGLE, SEVERAL, BOXES = ({**RULES, "kind": kind} for kind in ("single", "several", "boxes"))
MOST = 20 * 1024 * 1024


def called(folder: Path, module: str, function: str, *arguments: Any) -> Any:  # noqa: ANN401 - JSON
    return call_script(folder, f"import_{module}.js", [[function, *arguments]])[0]


def test_what_files_are_by_their_names(tmp_path: Path) -> None:
    cases: dict[tuple[str, str, int], tuple[str, str]] = {
        ("a/1.JPG", "image/jpeg", 9): ("picture", ""),
        ("1.jfif", "", 9): ("picture", ""),
        ("no-extension", "", 9): ("picture", ""),
        ("new.jxl", "image/jxl", 9): ("picture", ""),
        ("labels.json", "application/json", 9): ("labels", ""),
        ("a/.DS_Store", "", 9): ("other", "operating system"),
        ("__MACOSX/a/1.jpg", "image/jpeg", 9): ("other", "operating system"),
        ("a/._1.jpg", "image/jpeg", 9): ("other", "operating system"),
        ("logo.svg", "image/svg+xml", 9): ("other", "An SVG is a drawing"),
        ("phone.HEIC", "image/heic", 9): ("other", "HEIC is not supported"),
        ("a.xml", "text/xml", 9): ("other", "see how to convert"),
        ("film.mp4", "video/mp4", 9): ("other", "Not a picture (.mp4)"),
        ("empty.png", "image/png", 0): ("other", "empty"),
        ("large.png", "image/png", MOST + 1): ("other", "20.0 MiB are allowed"),
        ("just.png", "image/png", MOST): ("picture", ""),
    }
    found = call_script(tmp_path, "import_words.js", [["sortOf", *case, MOST] for case in cases])
    for (case, (sort, says)), result in zip(cases.items(), found, strict=True):
        assert result["sort"] == sort, case
        assert says in result["reason"] if says else not result["reason"], case


@pytest.mark.parametrize(
    ("paths", "tags"),
    [
        (["1.jpg"], [None]),
        (["cats/1.jpg", "dogs/2.jpg"], ["cats", "dogs"]),
        (["photos/cats/1.jpg", "photos/dogs/2.jpg", "photos/3.jpg"], ["cats", "dogs", None]),
        (["photos/train/cats/1.jpg", "photos/test/cats/2.jpg", "photos/test/dogs/3.jpg"], ["cats", "cats", "dogs"]),
        (["cats/1.jpg", "cats/2.jpg"], ["cats", "cats"]),
        (["cats/1.jpg", "2.jpg"], ["cats", None]),
        ([], []),
    ],
)
def test_folders_are_tags(tmp_path: Path, paths: list[str], tags: list[str | None]) -> None:
    assert called(tmp_path, "words", "folderTags", paths) == tags


def test_words(tmp_path: Path) -> None:
    calls: list[tuple[list[Any], str]] = [
        (["summary", {"added": 300, "known": 7, "refused": 5, "left": 0, "labels": 0}],
         "312 files: 300 added, 7 known, 5 refused"),
        (["summary", {"added": 1, "known": 0, "refused": 0, "left": 2, "labels": 1}],
         "4 files: 1 added, 0 known, 0 refused, 2 not sent, 1 with labels"),
        (["timeLeft", 10, 100, 1], ""),
        (["timeLeft", 10, 100, 5], "about 45 s left"),
        (["timeLeft", 10, 1000, 5], "about 8 min left"),
        (["timeLeft", 10, 100_000, 5], "about 13.9 h left"),
        (["timeLeft", 90, 100, 5], "a few seconds left"),
        (["timeLeft", 100, 100, 5], ""),
        (["reasonOf", "a/1.jpg: the image is damaged.", "a/1.jpg"], "The image is damaged"),
        (["asText", [["a\tb\n.jpg", "why"], ["ü", "x"]]], "a\\u0009b\\u000a.jpg\twhy\nü\tx\n"),
        (["shellWord", "my photos; it's"], "'my photos; it'\\''s'"),
        (["shellWord", "photos-1"], "photos-1"),
        (["countsShown", [["a", 2000], ["b", 1], ["c", 1]], 2], "a (2,000), b (1) and 1 more"),
    ]  # fmt: skip
    assert call_script(tmp_path, "import_words.js", [call for call, _ in calls]) == [says for _, says in calls]


def coco(*boxes: Any, images: list[dict[str, Any]] | None = None, **entry: Any) -> str:  # noqa: ANN401
    annotations = [{"id": number, "image_id": 1, "category_id": 1, "bbox": box} for number, box in enumerate(boxes)]
    listed = images or [{"id": 1, "file_name": "1.jpg", "width": 200, "height": 100, **entry}]
    return json.dumps({"images": listed, "annotations": annotations, "categories": [{"id": 1, "name": " fork "}]})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "is not JSON"),
        ("[]", "not a COCO file"),
        ("null", "not a COCO file"),
        ('"text"', "not a COCO file"),
        ('{"images": [], "annotations": {}, "categories": []}', "not a COCO file"),
        ("[" * 100_000, "is not JSON"),
    ],
)
def test_what_is_not_coco(tmp_path: Path, text: str, says: str) -> None:
    assert says in called(tmp_path, "coco", "readCoco", text)["problem"]


@pytest.mark.parametrize("nothing", [None, 1, "x", [], {"id": None}])
def test_entries_that_are_none_are_listed(tmp_path: Path, nothing: object) -> None:
    text = json.dumps({"images": [nothing], "annotations": [nothing], "categories": [nothing]})
    found = called(tmp_path, "coco", "readCoco", text)
    assert [problem["where"] for problem in found["problems"]] == ["categories[0]", "images[0]", "annotations[0]"]


def test_ids_of_any_kind_crowds_and_masks(tmp_path: Path) -> None:
    mask = [[10, 20, 50, 20, 50, 60]]
    annotations = [
        {"image_id": "1", "category_id": 2.0, "bbox": ["10", "20", "30", "40"]},
        {"image_id": 1, "category_id": "2", "bbox": [], "segmentation": mask},
        {"image_id": 1, "category_id": 2, "bbox": [1, 2, 3, 4], "iscrowd": 1},
        {"image_id": 1, "category_id": 2, "segmentation": {"counts": "x", "size": [1, 1]}},
        {"image_id": 1, "category_id": 2, "bbox": [1, 2, 3]},
        {"image_id": 7, "category_id": 2},
        {"image_id": 1, "category_id": 7},
    ]
    document = {"images": [{"id": 1, "file_name": "1.jpg"}], "annotations": annotations, "categories": [{"id": 2, "name": "a"}]}
    found = called(tmp_path, "coco", "readCoco", "\ufeff" + json.dumps(document))
    assert [label["box"] for label in found["images"][0]["labels"]] == [[10, 20, 30, 40], [10, 20, 40, 40]]
    assert (found["crowds"], found["pixels"], found["boxed"]) == (1, True, True)
    assert [problem["where"] for problem in found["problems"]] == [f"annotations[{number}]" for number in (3, 4, 5, 6)]


@pytest.mark.parametrize(
    ("address", "ends"),
    [
        ("images/1.jpg", [["images", "1.jpg"]]),
        ("..\\C\\1.jpg", [["C", "1.jpg"]]),
        ("50%.jpg", [["50%.jpg"]]),
        ("a%20b.jpg", [["a%20b.jpg"], ["a b.jpg"]]),
        ("AmlDatastore://workspaceblobstore/photos/a%20b.jpg", [["workspaceblobstore", "photos", "a b.jpg"],
                                                                ["workspaceblobstore", "photos", "a%20b.jpg"]]),
        ("https://acct.blob.core.windows.net/c/1.jpg?sig=secret#x", [["acct.blob.core.windows.net", "c", "1.jpg"]]),
    ],
)  # fmt: skip
def test_addresses_end_with_a_path(tmp_path: Path, address: str, ends: list[list[str]]) -> None:
    assert called(tmp_path, "coco", "endsOf", address) == ends


@pytest.mark.parametrize(
    ("names", "paths", "matches"),
    [
        (["1.jpg"], ["photos/1.jpg"], [0]),
        (["images/a/1.jpg", "images/b/1.jpg"], ["x/b/1.jpg", "x/a/1.jpg"], [1, 0]),
        (["1.jpg"], ["a/1.jpg", "b/1.jpg"], ["Several files may be meant: a/1.jpg, b/1.jpg"]),
        (["C:/Users/me/IMG_1.JPG"], ["img_1.jpg"], [0]),
        (["other.jpg"], ["1.jpg"], ["No such picture was among the files"]),
        (["AmlDatastore://store/b/1.jpg"], ["a/1.jpg", "b/1.jpg"], [1]),
        (["Birke \u0308.jpg"], ["x/Birke \u0308.jpg"], [0]),
        (["u\u0308.jpg"], ["\u00fc.jpg"], [0]),
    ],
)
def test_the_file_with_the_longest_common_end(tmp_path: Path, names: list[str], paths: list[str], matches: list[Any]) -> None:
    images = called(tmp_path, "coco", "readCoco", coco(images=[{"id": n, "file_name": name} for n, name in enumerate(names)]))
    (tmp_path / "again").mkdir()
    found = called(tmp_path / "again", "coco", "matchFiles", images["images"], paths)
    assert [each["reason"] or each["path"] for each in found] == matches


def given(folder: Path, text: str, size: tuple[int, int], rules: dict[str, Any]) -> tuple[Any, str]:
    """The labels of the first image, and why others are none."""
    file = called(folder, "coco", "readCoco", text)
    (folder / "labels").mkdir()
    sides = {"width": size[0], "height": size[1]}
    found = called(folder / "labels", "coco", "labelsOf", file["images"][0], file, sides, rules)
    return found["labels"], "; ".join(found["reasons"])


FORK = {"tag": "fork"}


@pytest.mark.parametrize(
    ("text", "rules", "labels", "says"),
    [
        (coco([0.1, 0.2, 0.3, 0.4]), BOXES, [{**FORK, "bbox": [0.1, 0.2, 0.3, 0.4]}], ""),
        (coco([50, 25, 100, 50]), BOXES, [{**FORK, "bbox": [0.25, 0.25, 0.5, 0.5]}], ""),
        (coco([50, 25, 100, 50], width=0, height=0), BOXES, [{**FORK, "bbox": [0.25, 0.25, 0.5, 0.5]}], ""),
        (coco([-1, -2, 202, 103]), BOXES, [{**FORK, "bbox": [0, 0, 1, 1]}], ""),
        (coco([0, 0, 203, 100]), BOXES, [], "is not inside the picture: [0, 0, 203, 100] of 200 × 100 px"),
        (coco([10, 10, 20, 20], width=100, height=200), BOXES, [], "may be turned"),
        (coco([10, 10, 20, 20], width=400, height=200), BOXES, [], "is of a picture of 400 × 200 px"),
        (coco([10, 10, 0, 20]), BOXES, [], "has no area"),
        (coco([0.5, 0.5, 0.6, 0.1]), BOXES, [], "is not inside the picture"),
        (coco([0.5, 0.5, 0.50001, 0.1]), BOXES, [{**FORK, "bbox": [0.5, 0.5, 0.50001, 0.1]}], ""),
        (coco(None), BOXES, [], "'fork' has no box"),
        (coco([0.1, 0.1, 0.1, 0.1], [0.2, 0.2, 0.1, 0.1]), SINGLE, [FORK], ""),
        (coco(None), SEVERAL, [FORK], ""),
        (coco(*[[0.1, 0.1, 0.1, 0.1]] * 1001), BOXES, [], "1,001 boxes; an image has at most 1,000"),
        (coco(None).replace("fork", "x" * 256), SINGLE, [], "at most 255"),
        (coco(None).replace("fork", "a\\ud800b"), SINGLE, [], "can't be stored"),
    ],
)
def test_the_labels_of_an_image(tmp_path: Path, text: str, rules: dict[str, Any], labels: list[Any], says: str) -> None:
    found, why = given(tmp_path, text, (200, 100), rules)
    assert found == labels
    assert says in why if says else not why


def picture(number: int, path: str, tag: str | None = None, *, labelled: bool = False) -> dict[str, Any]:
    image = {"number": number, "digest": f"{number}", "eTag": "1", "width": 200, "height": 100, "labelled": labelled}
    return {"path": path, "folderTag": tag, "image": image}


def plan(folder: Path, pictures: list[dict[str, Any]], texts: list[str], rules: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
    files = []
    for number, text in enumerate(texts):
        (folder / f"{number}").mkdir()
        files.append({"name": f"{number}.json", "coco": called(folder / f"{number}", "coco", "readCoco", text)})
    (folder / "plan").mkdir()
    return called(folder / "plan", "labels", "planLabels", pictures, files, rules)


def test_a_coco_file_counts_before_the_folder(tmp_path: Path) -> None:
    pictures = [picture(0, "spoons/1.jpg", "spoons"), picture(1, "spoons/2.jpg", " spoons"), picture(2, "x/3.jpg", "x")]
    pictures[2]["image"] = None  # refused
    text = coco(None, images=[{"id": 1, "file_name": "1.jpg"}, {"id": 2, "file_name": "9.jpg"}])
    made = plan(tmp_path, pictures, [text], SINGLE)
    assert [(order["number"], order["labels"]) for order in made["orders"]] == [(0, [FORK]), (1, [{"tag": "spoons"}])]
    assert made["unmatched"] == [["9.jpg", "No such picture was among the files"]]


@pytest.mark.parametrize(
    ("rules", "orders", "bare"),
    [(BOXES, [], 1), ({**BOXES, "empties": True}, [(0, [])], 1), ({**SINGLE, "empties": True}, [], 1)],
)
def test_images_without_labels(tmp_path: Path, rules: dict[str, Any], orders: list[Any], bare: int) -> None:
    made = plan(tmp_path, [picture(0, "1.jpg")], [coco()], rules)
    assert [(order["number"], order["labels"]) for order in made["orders"]] == orders
    assert made["bare"] == bare
    if orders:
        (tmp_path / "batch").mkdir()
        [[batch]] = call_script(tmp_path / "batch", "import_labels.js", [["batches", made["orders"], False, 200, 1000]])
        assert json.loads(batch["body"]) == {"images": [{"number": 0, "labels": [], "empty": True, "eTag": "1"}]}


def test_pictures_of_this_import_come_before_those_of_earlier_ones(tmp_path: Path) -> None:
    earlier = [{**picture(number, f"old/{number}.jpg"), "earlier": True} for number in (1, 2)]
    text = coco(None, images=[{"id": 1, "file_name": "1.jpg"}])
    made = plan(tmp_path, [*earlier, picture(7, "new/1.jpg")], [text], SINGLE)
    assert [order["number"] for order in made["orders"]] == [7]
    (tmp_path / "earlier").mkdir()
    made = plan(tmp_path / "earlier", [*earlier, picture(7, "new/9.jpg")], [text], SINGLE)
    assert [order["number"] for order in made["orders"]] == [1]


def test_the_same_picture_in_two_folders(tmp_path: Path) -> None:
    twice = [picture(0, "a/1.jpg", "a"), picture(0, "b/1.jpg", "b")]
    made = plan(tmp_path, twice, [], SINGLE)
    assert [order["labels"] for order in made["orders"]] == [[{"tag": "a"}]]
    assert made["problems"] == [["b/1.jpg", "Other labels than for the same picture before (a/1.jpg), which it keeps"]]
    (tmp_path / "several").mkdir()
    made = plan(tmp_path / "several", twice, [], SEVERAL)
    assert [order["labels"] for order in made["orders"]] == [[{"tag": "a"}, {"tag": "b"}]]
    assert not made["problems"]


def test_a_file_without_boxes_is_none_for_detection(tmp_path: Path) -> None:
    made = plan(tmp_path, [picture(0, "1.jpg")], [coco(None)], BOXES)
    assert not made["orders"]
    assert made["problems"] == [["0.json", "Has no boxes, and images of this draft have only labels with a box"]]


def test_batches_are_bounded_by_number_and_length(tmp_path: Path) -> None:
    orders = [{"number": n, "eTag": "1", "labelled": n == 0, "labels": [{"tag": "ü" * 100}], "path": "x"} for n in range(450)]
    calls = [["batches", orders, False, 200, 1_000_000], ["batches", orders, True, 200, 10_000]]
    by_number, by_length = call_script(tmp_path, "import_labels.js", calls)
    assert [len(batch["orders"]) for batch in by_number] == [200, 200, 50]
    first = json.loads(by_number[0]["body"])["images"]
    assert [image["eTag"] for image in first[:2]] == ["0", "1"], "an image with labels keeps them"
    assert all(len(batch["body"].encode()) <= 10_000 for batch in by_length)
    assert sum(len(json.loads(batch["body"])["images"]) for batch in by_length) == 450
    assert "eTag" not in json.loads(by_length[0]["body"])["images"][0]
