import re

import pytest

from tests.customization.samples import encoded
from vision_customization.contract.outcomes import Confusion, ConfusionCell, Curve, Curves, Outcome, curve_area
from vision_customization.customization.report.charts import MATRIX_TAGS
from vision_customization.customization.report.page import CURVES, WorstPicture, evaluation_page

CURVE = Curve(precision=[1.0, 0.5], recall=[0.5, 1.0], threshold=[0.9, 0.4])
CURVES_OF_TREES = Curves(overall=CURVE, tags={"ash": CURVE, "oak": Curve(precision=[], recall=[], threshold=[])})
CONFUSION = Confusion(
    images=9,
    tags=["ash", "oak"],
    cells=[
        ConfusionCell(label="ash", answer="ash", count=4),
        ConfusionCell(label="ash", answer="oak", count=1),
        ConfusionCell(label="oak", answer="oak", count=4),
    ],
)
OUTCOME = Outcome.model_validate(
    {
        "image": "https://x/c/1.png",
        "fileName": 'a"<b>.png',
        "digest": "ab",
        "right": False,
        "labels": ["ash"],
        "tags": [{"name": "oak", "confidence": 0.75}, {"name": "ash", "confidence": 0.25}],
    }
)


def page(*worst: WorstPicture, confusion: Confusion = CONFUSION, curves: Curves = CURVES_OF_TREES, wrong: int = 1) -> str:
    return evaluation_page("trees-1 on <test>", ["Evaluation e."], {"accuracyTop1": 0.875}, confusion, curves, worst, wrong)


def test_the_page_has_metrics_matrix_curves_and_pictures() -> None:
    text = page(WorstPicture(OUTCOME, encoded(1)))
    assert "<th>accuracyTop1</th><td>0.875</td>" in text
    assert "<td class='wrong' style='--share:0.20'>1</td>" in text
    assert "<td class='right' style='--share:1.00'>4</td>" in text
    assert re.findall(r"<b>([^<]*)</b> area ([0-9.]+)", text) == [("all tags", "0.750"), ("ash", "0.750")]
    assert "at 0.5: precision 1.00, recall 0.50" in text
    assert "no label or no answer" in text
    assert "1 of 9 pictures are wrong; 1 are shown" in text
    assert "labelled <b>ash</b><br>answered <b>oak 0.75, ash 0.25</b>" in text


def test_nothing_in_a_name_becomes_markup_and_nothing_is_loaded() -> None:
    text = page(WorstPicture(OUTCOME, encoded(1)))
    assert "<b>.png" not in text
    assert "<test>" not in text
    assert "<script" not in text
    assert not re.search(r'(src|href)="(?!data:image/jpeg)', text)
    assert not re.search(r"url\(|@import|https?://(?!x/c/)", text)


@pytest.mark.parametrize(
    ("picture", "said"),
    [
        ("can't be read: 403", "The picture can't be read: 403."),
        (b"not a picture", "The picture can't be decoded (UnidentifiedImageError)."),
    ],
)
def test_a_picture_that_can_not_be_shown_says_why(picture: bytes | str, said: str) -> None:
    text = page(WorstPicture(OUTCOME, picture))
    assert said in text.replace("&#x27;", "'")


def test_the_boxes_of_a_detector_are_drawn() -> None:
    found = {"tag": "ash", "bbox": [0.1, 0.2, 0.3, 0.4], "confidence": 0.9}
    objects = [{**found, "right": True}, {**found, "right": False, "tag": "oak"}]
    fields = {"objects": objects, "missed": [{"tag": "ash", "bbox": [0, 0, 0.5, 0.5]}], "labels": None, "tags": None}
    outcome = Outcome.model_validate({**OUTCOME.to_wire(), **fields})
    text = page(WorstPicture(outcome, encoded(1)))
    assert '<rect class="right" x="0.1" y="0.2" width="0.3" height="0.4"><title>right: ash 0.90</title>' in text
    assert re.findall(r'<rect class="(\w+)"', text) == ["false", "missed", "right"]
    assert "dashed ones are missed" in text


def test_the_threshold_of_a_detector_is_told() -> None:
    told = "Objects count from a confidence of 0.43 on, where F1 is highest on these pictures."
    assert told in page(confusion=CONFUSION.model_copy(update={"threshold": 0.43}))
    assert "Objects count" not in page()


def test_without_a_mistake_it_says_so() -> None:
    assert "The model is right on all 9 pictures." in page(wrong=0)


def test_several_tags_per_image_have_a_table_instead_of_a_matrix() -> None:
    counts = {("ash", "ash"): 3, ("ash", None): 2, (None, "oak"): 1}
    cells = [ConfusionCell(label=label, answer=answer, count=count) for (label, answer), count in counts.items()]
    text = page(confusion=CONFUSION.model_copy(update={"cells": cells}))
    assert "<tr><th scope='row'>ash</th><td>3</td><td>2</td><td>0</td></tr>" in text
    assert "matrix'" not in text


def test_of_many_tags_the_worst_are_shown() -> None:
    tags = [f"tag {number}" for number in range(40)]
    cells = [ConfusionCell(label=tag, answer=tags[0], count=number) for number, tag in enumerate(tags) if number]
    confusion = Confusion(images=900, tags=tags, cells=cells)
    curves = {tag: Curve(precision=[number / 40], recall=[1.0], threshold=[0.5]) for number, tag in enumerate(tags)}
    text = page(confusion=confusion, curves=Curves(tags=curves))
    assert f"The {MATRIX_TAGS} of 40 tags with the most mistakes." in text
    assert re.findall(r"<b>(tag \d+)</b> area", text) == tags[:CURVES]


def test_the_area_is_that_under_the_steps() -> None:
    assert curve_area(CURVE) == 0.75
    assert curve_area(Curve(precision=[], recall=[], threshold=[])) == 0
