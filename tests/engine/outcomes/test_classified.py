import json
from typing import Any

import numpy as np

from tests.engine.outcomes.made import TAGS, answers, image
from vision_customization.contract.outcomes import Outcome
from vision_customization.engine.outcomes.classified import BEST, classified, multi_classified
from vision_customization.engine.outcomes.outcomes import FALSE, HIT, MISSED, Outcomes


def wires(outcomes: Outcomes) -> list[dict[str, Any]]:
    """Each as it is stored, which is as the contract writes it."""
    found = [json.loads(outcome.line) for outcome in outcomes.images]
    assert [Outcome.model_validate(wire).to_wire() for wire in found] == found
    return found


def test_images_come_by_rising_probability_of_their_own_tag() -> None:
    labels = np.array([0, 1, 2, 1])
    probabilities = np.array([[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.5, 0.05, 0.45], [0.1, 0.9, 0]], np.float32)
    names = [image(number, f"photos/{number}.png" if number == 1 else "") for number in range(4)]
    outcomes = classified(names, labels, probabilities, TAGS, likely=np.array([0, 0, 2, 1]))
    worst, *rest = wires(outcomes)
    assert worst == {
        "image": "https://host/c/1.png",
        "fileName": "photos/1.png",
        "digest": names[1].sha256,
        "right": False,
        "labels": ["beech"],
        "tags": [
            {"name": "ash", "confidence": 0.6},
            {"name": "beech", "confidence": 0.3},
            {"name": "öak", "confidence": 0.1},
        ],
        "likelyLabels": ["ash"],
    }
    assert [(wire["image"][-5], wire["right"], "likelyLabels" in wire) for wire in rest] == [
        ("2", False, False),
        ("0", True, False),
        ("3", True, False),
    ]


def test_the_verdicts_of_one_tag_are_found_or_missed_and_false() -> None:
    outcomes = classified([image(0), image(1)], np.array([0, 1]), np.array([[0.9, 0.1], [0.8, 0.2]], np.float32), ["a", "b"])
    assert [outcome.verdicts for outcome in outcomes.images] == [{1: MISSED, 0: FALSE}, {0: HIT}]
    assert outcomes.confusion == {(0, 0): 1, (1, 0): 1}
    assert outcomes.curves["tags"] == {
        "a": {"precision": [1.0, 0.5], "recall": [1.0, 1.0], "threshold": [0.9, 0.8]},
        "b": {"precision": [1.0, 0.5], "recall": [1.0, 1.0], "threshold": [0.2, 0.1]},
    }
    assert outcomes.curves["overall"] == {"precision": [1.0, 0.5], "recall": [0.5, 0.5], "threshold": [0.9, 0.8]}


def test_of_many_tags_the_best_are_kept_and_the_image_s_own() -> None:
    labels, probabilities = answers(2500, tags=40)
    tags = [f"tag {index}" for index in range(40)]
    outcomes = classified([image(number) for number in range(2500)], labels, probabilities, tags)
    by_image = {wire["image"]: wire for wire in wires(outcomes)}
    for number, (label, row) in enumerate(zip(labels.tolist(), probabilities, strict=True)):
        shown = [tag["name"] for tag in by_image[image(number).url]["tags"]]
        best = [tags[index] for index in np.argsort(-row, kind="stable")[:BEST]]
        assert shown == list(dict.fromkeys([*best, tags[label]]))


def test_of_several_tags_per_image_each_has_its_threshold() -> None:
    present = np.array([[1, 1, 0], [0, 0, 0], [0, 0, 1]], bool)
    probabilities = np.array([[0.9, 0.4, 0.6], [0.1, 0.1, 0.2], [0.2, 0.3, 0.9]], np.float32)
    likely = np.array([[1, 0, 0], [0, 0, 0], [0, 0, 1]], bool)
    outcomes = multi_classified([image(number) for number in range(3)], present, probabilities, [0.5, 0.5, 0.3], TAGS, likely)
    kept = list(outcomes.images)
    assert [outcome.verdicts for outcome in kept] == [{0: HIT, 1: MISSED, 2: FALSE}, {2: HIT}, {}]
    assert kept[0].wire["tags"] == [
        {"name": "ash", "confidence": 0.9, "threshold": 0.5},
        {"name": "öak", "confidence": 0.6, "threshold": 0.3},
        {"name": "beech", "confidence": 0.4, "threshold": 0.5},
    ]
    assert [(outcome.wire["right"], outcome.wire.get("likelyLabels")) for outcome in kept] == [
        (False, ["ash"]),
        (True, None),
        (True, None),
    ]
    assert outcomes.confusion == {(0, 0): 1, (1, None): 1, (None, 2): 1, (2, 2): 1}
    assert set(outcomes.curves) == {"tags"}
