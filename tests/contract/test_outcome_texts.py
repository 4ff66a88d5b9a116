import pytest

from vision_customization.contract.outcome_texts import answered, drawn_boxes, labelled, picture_name
from vision_customization.contract.outcomes import Outcome

BOX = [0.0, 0.0, 0.5, 0.5]
CAT = {"tag": "cat", "bbox": BOX, "confidence": 0.912, "right": True, "match": "cat", "overlap": 0.8}
FALSE = {"tag": "dog", "bbox": BOX, "confidence": 0.4, "right": False}


def tags(*pairs: tuple[str, float], threshold: float | None = None) -> list[dict[str, object]]:
    shared = {} if threshold is None else {"threshold": threshold}
    return [{"name": name, "confidence": confidence, **shared} for name, confidence in pairs]


@pytest.mark.parametrize(
    ("fields", "labels", "answer"),
    [
        ({"labels": ["ash"], "tags": tags(("oak", 0.6), ("elm", 0.3), ("ash", 0.1))}, "ash", "oak 0.60, ash 0.10"),
        ({"labels": ["oak"], "tags": tags(("oak", 0.6), ("elm", 0.3))}, "oak", "oak 0.60"),
        (
            {"labels": ["ash", "elm"], "tags": tags(("oak", 0.6), ("elm", 0.5), ("ash", 0.1), threshold=0.5)},
            "ash, elm",
            "oak 0.60, elm 0.50, missed ash 0.10",
        ),
        ({"labels": [], "tags": tags(("oak", 0.1), threshold=0.5)}, "(no tag)", "(no tag)"),
        ({"objects": [CAT, FALSE], "missed": [{"tag": "cat", "bbox": BOX}]}, "2 × cat", "missed cat; false dog 0.40"),
        ({"objects": [CAT], "missed": []}, "cat", "all found"),
        ({"objects": [FALSE], "missed": []}, "(nothing)", "false dog 0.40"),
    ],
)
def test_labels_and_answer_in_words(fields: dict[str, object], labels: str, answer: str) -> None:
    outcome = Outcome.model_validate({"image": "https://x/c/1.png", "digest": "ab", "right": False, **fields})
    assert (labelled(outcome), answered(outcome)) == (labels, answer)


def test_a_picture_is_called_as_in_its_dataset() -> None:
    outcome = Outcome(image="https://x/c/1.png", digest="ab", right=True)
    assert picture_name(outcome) == "https://x/c/1.png"
    assert picture_name(outcome.model_copy(update={"file_name": "ash/1.png"})) == "ash/1.png"


@pytest.mark.parametrize(
    ("fields", "texts"),
    [
        (
            {"objects": [CAT, FALSE], "missed": [{"tag": "cat", "bbox": BOX}]},
            ["false: dog 0.40", "missed: cat", "right: cat 0.91"],
        ),
        ({"objects": [], "missed": []}, []),
        ({"labels": ["ash"], "tags": tags(("oak", 0.6))}, []),
    ],
)
def test_the_boxes_that_are_right_lie_on_top(fields: dict[str, object], texts: list[str]) -> None:
    outcome = Outcome.model_validate({"image": "https://x/c/1.png", "digest": "ab", "right": False, **fields})
    assert [box.text for box in drawn_boxes(outcome)] == texts
