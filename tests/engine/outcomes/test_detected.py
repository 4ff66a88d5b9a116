import json
from dataclasses import replace

import numpy as np

from tests.engine.outcomes.made import image
from vision_customization.contract.outcomes import Outcome
from vision_customization.engine.learning import precision_recall_curves
from vision_customization.engine.learning.boxes import Detections, LabelledBoxes
from vision_customization.engine.outcomes.detected import detected
from vision_customization.engine.outcomes.outcomes import FALSE, HIT, MISSED

TAGS = ("cat", "dog")


def truth(*rows: tuple[float, ...]) -> LabelledBoxes:
    """Rows of label, left, top, right, bottom."""
    table = np.array(rows, np.float32).reshape(-1, 5)
    return LabelledBoxes(table[:, 1:], table[:, 0].astype(np.int64))


def found(*rows: tuple[float, ...]) -> Detections:
    """Rows of label, score, left, top, right, bottom."""
    table = np.array(rows, np.float32).reshape(-1, 6)
    return Detections(table[:, 2:], table[:, 0].astype(np.int64), table[:, 1])


TRUTHS = [
    truth((0, 0, 0, 50, 50), (1, 100, 0, 150, 50)),  # found, and taken for the other tag
    truth((0, 0, 0, 10, 10)),  # found too unsurely to be returned
    truth(),  # nothing, and nothing found
    truth((0, 0, 0, 100, 100), (0, 100, 100, 200, 200)),  # both found, one of them twice
]
FOUND = [
    found((0, 0.9, 0, 0, 50, 40), (0, 0.7, 100, 0, 150, 50), (1, 0.5, 0, 50, 200, 100)),
    found((0, 0.1, 0, 0, 10, 10)),
    found(),
    found((0, 0.8, 0, 0, 100, 100), (0, 0.6, 0, 0, 100, 90), (0, 0.4, 100, 100, 200, 190)),
]
OUTCOMES = detected([image(number) for number in range(4)], [(200, 100)] * 3 + [(200, 200)], TRUTHS, FOUND, TAGS)
IMAGES = list(OUTCOMES.images)
OUTCOMES = replace(OUTCOMES, images=IMAGES)


def test_images_come_by_their_missed_objects_and_false_detections() -> None:
    order = [image(number).url for number in (0, 1, 3, 2)]
    assert [outcome.wire["image"] for outcome in IMAGES] == order
    assert [outcome.verdicts for outcome in IMAGES] == [{0: HIT | FALSE, 1: MISSED | FALSE}, {0: MISSED}, {0: HIT | FALSE}, {}]
    assert [outcome.wire["right"] for outcome in IMAGES] == [False, False, False, True]


def test_each_detection_says_what_it_overlaps_and_each_missed_object_is_listed() -> None:
    assert json.loads(IMAGES[0].line) == {
        "image": image(0).url,
        "digest": image(0).sha256,
        "right": False,
        "objects": [
            {
                "tag": "cat",
                "bbox": [0, 0, 0.25, 0.4],
                "confidence": 0.9,
                "right": True,
                "match": "cat",
                "matchBbox": [0, 0, 0.25, 0.5],
                "overlap": 0.8,
            },
            {
                "tag": "cat",
                "bbox": [0.5, 0, 0.25, 0.5],
                "confidence": 0.7,
                "right": False,
                "match": "dog",
                "matchBbox": [0.5, 0, 0.25, 0.5],
                "overlap": 1.0,
            },
            {"tag": "dog", "bbox": [0, 0.5, 1, 0.5], "confidence": 0.5, "right": False},
        ],
        "missed": [{"tag": "dog", "bbox": [0.5, 0, 0.25, 0.5]}],
    }
    assert IMAGES[1].wire["objects"] == []
    assert IMAGES[2].wire["objects"][1]["match"] == "cat"
    for outcome in IMAGES:
        assert Outcome.model_validate(outcome.wire).to_wire() == json.loads(outcome.line)


def test_an_object_is_confused_with_what_was_found_in_its_place() -> None:
    assert OUTCOMES.confusion == {(0, 0): 3, (1, 0): 1, (0, None): 1, (None, 1): 1, (None, 0): 1}


def test_the_curves_are_those_of_all_detections() -> None:
    assert OUTCOMES.curves["tags"] == precision_recall_curves(TRUTHS, FOUND, TAGS)
    overall = OUTCOMES.curves["overall"]
    assert overall["threshold"][-1] == 0.1
    assert overall["recall"][-1] == 0.8


def test_detections_below_the_best_threshold_do_not_count() -> None:
    truths = [truth((0, 0, 0, 50, 50)), truth((1, 0, 0, 50, 50))]
    detections = [
        found((0, 0.8, 0, 0, 50, 50), (1, 0.5, 0, 0, 50, 50)),
        found((1, 0.6, 0, 0, 50, 50), (0, 0.3, 0, 0, 50, 50)),
    ]
    outcomes = detected([image(0), image(1)], [(50, 50)] * 2, truths, detections, TAGS)
    assert outcomes.threshold == 0.6
    assert [(outcome.wire["right"], len(outcome.wire["objects"])) for outcome in outcomes.images] == [(True, 1)] * 2
    assert outcomes.confusion == {(0, 0): 1, (1, 1): 1}
    assert outcomes.curves["overall"]["threshold"][-1] == 0.3
    # What analyze would not return never counts.
    assert OUTCOMES.threshold == 0.2
    unsure = [Detections(each.corners, each.labels, each.scores / 10) for each in detections]
    assert list(detected([image(0), image(1)], [(50, 50)] * 2, truths, unsure, TAGS).confusion) == [(0, None), (1, None)]


def test_nothing_labelled_and_nothing_found_is_all_right() -> None:
    outcomes = detected([image(0)], [(10, 10)], [truth()], [found()], TAGS)
    assert [outcome.wire["right"] for outcome in outcomes.images] == [True]
    assert outcomes.confusion == {}
