"""Outcomes and label issues at the terminal."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from tests.customization.cli.answers import DATASET, EVALUATION, model
from tests.customization.cli.ran import Vision
from tests.customization.fake_service import Answer, FakeService, Received
from tests.customization.samples import encoded
from vision_customization.contract.outcomes import OUTCOMES_PAGE_MAX

COUNT = 130
AT = {
    "kind": "oneTag", "threshold": 0.7, "lowest": 0, "images": 500, "labels": 500, "right": 350, "false": 50, "missed": 20,
    "unanswered": 100, "precision": 0.875, "recall": 0.7, "f1": 0.7778,
}  # fmt: skip
CONFUSION = {
    "images": 500,
    "tags": ["ash", "oak"],
    "cells": [{"label": "ash", "answer": "ash", "count": 370}, {"label": "oak", "answer": "ash", "count": COUNT}],
}
CURVES = {"tags": {"ash": {"precision": [1.0], "recall": [1.0], "threshold": [0.5]}}}


def outcome(number: int, **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    tags = [{"name": "ash", "confidence": 0.9}, {"name": "oak", "confidence": 0.1}]
    named = {"image": f"http://127.0.0.1:9/a/c/{number}.png", "fileName": f"oak/{number}.png"}
    digest = hashlib.sha256(encoded(number)).hexdigest()
    return {**named, "digest": digest, "right": False, "labels": ["oak"], "tags": tags, **fields}


@pytest.fixture
def evaluated(service: FakeService) -> FakeService:
    def page(request: Received) -> dict[str, Any]:
        skip, top = int(request.query["skip"]), int(request.query["top"])
        assert 1 <= top <= OUTCOMES_PAGE_MAX
        return {"value": [outcome(number) for number in range(skip, min(COUNT, skip + top))], "count": COUNT}

    def handle(request: Received) -> Answer:
        last = request.path.rpartition("/")[2]
        answers = {"outcomes:confusion": CONFUSION, "outcomes:curves": CURVES, "m": model()}
        if last == "outcomes:threshold":
            asked = {
                "threshold": float(request.query["threshold"]),
                **({"tag": request.query["tag"]} if "tag" in request.query else {}),
            }
            return Answer(200, {**AT, **asked, "value": [outcome(0)], "count": COUNT})
        if request.path.endswith("/datasets/several"):
            return Answer(200, {**DATASET, "annotationKind": "imageMultiLabelClassification"})
        if "/datasets/" in request.path and last != "labelissues":
            return Answer(200, DATASET)
        if last == "outcomes":
            assert request.query["only"] == "wrong"
            return Answer(200, page(request))
        if last == "labelissues":
            return Answer(200, {**page(request), "modelName": request.query.get("model-name", "newest"), "likely": 7})
        return Answer(200, answers.get(last, EVALUATION))

    service.handler = handle
    return service


def test_wrong_pictures_are_listed_with_their_labels_and_answers(vision: Vision, evaluated: FakeService) -> None:
    ran = vision("evaluate", "m", "t", "--wrong", 2)
    assert ran.out.splitlines()[-2].split() == ["oak/1.png", "oak", "ash", "0.90,", "oak", "0.10"]
    assert ran.out.splitlines()[-1] == "130 wrong pictures; the worst 2 are shown"
    # More than a page are read in pages.
    listed = vision("evaluate", "m", "t", "--wrong", 120, "--json").json["wrong"]
    assert [item["path"] for item in listed] == [f"oak/{number}.png" for number in range(120)]
    assert vision("evaluate", "m", "t", "--wrong", 500).out.count("oak/") == COUNT
    assert vision("evaluate", "m", "t", "--wrong", 0).out.splitlines()[-1] == "130 wrong pictures; the worst 0 are shown"


def test_wrong_pictures_of_a_folder_are_listed_by_their_paths(vision: Vision, evaluated: FakeService, tmp_path: Path) -> None:
    (tmp_path / "data" / "oak").mkdir(parents=True)
    (tmp_path / "data" / "oak" / "0.png").write_bytes(encoded(0))
    out = vision("evaluate", "m", "t", "--wrong", 2, "--images", "data").out
    assert f"{Path('data') / 'oak' / '0.png'} " in out
    assert "\noak/1.png " in out


def test_the_confusion_matrix_is_printed(vision: Vision, evaluated: FakeService) -> None:
    rows = [line.split() for line in vision("evaluate", "m", "t", "--confusion").out.splitlines()]
    assert ["label", "\\", "answer", "ash", "oak"] in rows
    assert ["oak", "130", "0"] in rows
    assert vision("evaluate", "m", "t", "--confusion", "--json").json["confusion"] == CONFUSION


def test_what_counts_at_a_threshold_is_said_in_words(vision: Vision, evaluated: FakeService) -> None:
    said = vision("evaluate", "m", "t", "--threshold", 0.7).out.splitlines()[-1]
    assert said.startswith("From a confidence of 0.70 on, the model answers 400 of 500 images: 350 right, 50 wrong (precision ")
    assert said.endswith("Of the 100 images without an answer, it would be right on 20 and wrong on 80.")
    told = vision("evaluate", "m", "t", "--threshold", 0.8, "--tag", "oak", "--json").json["atThreshold"]
    assert told == {**AT, "threshold": 0.8, "tag": "oak"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("t", "--tag", "oak"), "give --threshold, too"),
        (("several", "--threshold", 0.5), "images of 'several' have several tags each; choose one with --tag"),
        (("t", "--threshold", 1.5), "1.5 is not in the range 0<=x<=1"),
    ],
)
def test_a_threshold_that_can_not_be_counted_is_wrong_usage(
    vision: Vision, evaluated: FakeService, arguments: tuple[object, ...], said: str
) -> None:
    ran = vision("evaluate", "m", *arguments)
    assert (ran.code, said in " ".join(ran.err.split())) == (2, True)
    assert not any("evaluations" in request.path for request in evaluated.received)
    assert vision("evaluate", "m", "several", "--threshold", 0.5, "--tag", "oak").code == 0


def test_of_many_tags_the_most_frequent_mistakes_are_printed(
    vision: Vision, evaluated: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    tags = [f"t{number}" for number in range(60)]
    cells = [{"label": tag, "answer": "t0", "count": number} for number, tag in enumerate(tags) if number]
    monkeypatch.setitem(CONFUSION, "tags", tags)
    monkeypatch.setitem(CONFUSION, "cells", cells)
    lines = vision("evaluate", "m", "t", "--confusion").out.splitlines()
    listed = [line.split() for line in lines if line.startswith("t")]
    assert listed == [[f"t{number}", "t0", str(number)] for number in range(59, 19, -1)]
    assert lines[-1] == "… and 19 rarer mistakes"


def test_a_report_is_one_page_that_names_what_it_can_not_show(vision: Vision, evaluated: FakeService, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "renamed.png").write_bytes(encoded(0))
    ran = vision("evaluate", "m", "t", "--report", "out.html", "--images", "data", "--wrong", 3)
    assert ran.code == 0
    assert "2 of 3 pictures can't be shown" in ran.err
    assert "out.html written" in ran.err
    page = (tmp_path / "out.html").read_text("utf-8")
    assert "<h1>m on t</h1>" in page
    assert page.count('src="data:image/jpeg') == 1
    assert page.count("class='unread'") == 2
    assert "needs --images, or the storage account" in page
    evaluated.received.clear()
    ran = vision("evaluate", "m", "t", "--report", "no/such/out.html")
    assert (ran.code, "--report: no/such is not a folder" in ran.err) == (2, True)
    assert not evaluated.received  # nothing is evaluated for a page that can't be written


def test_nothing_is_asked_of_a_service_without_outcomes(vision: Vision, evaluated: FakeService) -> None:
    assert vision("evaluate", "m", "t").code == 0
    assert not any("outcomes" in request.path for request in evaluated.received)


def test_label_issues_are_listed_and_marked(vision: Vision, evaluated: FakeService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "outcome", lambda number: _marked(number))
    ran = vision("datasets", "label-issues", "trees", "--top", 2)
    rows = [line.split() for line in ran.out.splitlines()]
    assert ["oak/0.png", "oak", "ash", "ash", "0.90,", "oak", "0.10"] in rows
    assert ["oak/1.png", "oak", "–", "ash", "0.90,", "oak", "0.10"] in rows
    assert ran.out.splitlines()[-1] == "7 of 130 images that model 'newest' was estimated on likely have wrong labels"
    assert "--images" in ran.err
    told = vision("datasets", "label-issues", "trees", "--model", "m", "--json").json
    assert (told["modelName"], told["likely"], told["count"], len(told["value"])) == ("m", 7, COUNT, 20)
    assert told["value"][0]["path"] == "oak/0.png"
    assert told["value"][0]["likelyLabels"] == ["ash"]
    # All pages are of the model of the first.
    evaluated.received.clear()
    assert len(vision("datasets", "label-issues", "trees", "--top", 120, "--json").json["value"]) == 120
    assert [request.query.get("model-name") for request in evaluated.received] == [None, "newest"]


_plain = outcome


def _marked(number: int) -> dict[str, Any]:
    return _plain(number, **({} if number else {"likelyLabels": ["ash"]}))
