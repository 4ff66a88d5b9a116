from typing import Any

import pytest

from vision_customization.contract.model_names import is_trained_name, trained_name

LEAVES: dict[str, Any] = {"model_kind": "Generic-Classifier", "training_digest": "a" * 64, "time_budget_in_hours": 1}


@pytest.mark.parametrize(
    ("declared", "changes", "name"),
    [
        ("leaves", {}, "leaves-ccee0003"),  # states and engines have this name: it must never change
        ("leaves", {"time_budget_in_hours": 1.0}, "leaves-ccee0003"),
        ("leaves", {"tiles": 1}, "leaves-ccee0003"),
        ("trees", {}, "trees-ccee0003"),
        ("leaves", {"tiles": 2}, "leaves-490f3bfb"),
        ("leaves", {"time_budget_in_hours": 2}, "leaves-586d09f1"),
        ("leaves", {"training_digest": "b" * 64}, "leaves-7f038ace"),
        ("leaves", {"model_kind": "Generic-Detector"}, "leaves-4e6a55a7"),
    ],
)
def test_the_name_says_what_the_model_is_trained_from(declared: str, changes: dict[str, Any], name: str) -> None:
    assert trained_name(declared, **{**LEAVES, **changes}) == name


@pytest.mark.parametrize(
    ("name", "declared", "is_one"),
    [
        ("leaves-ccee0003", "leaves", True),
        ("leaves-2-ccee0003", "leaves", False),
        ("leaves-2-ccee0003", "leaves-2", True),
        ("leaves-ccee000", "leaves", False),
        ("leaves-CCEE0003", "leaves", False),
        ("leaves-ccee0003-1", "leaves", False),
        ("leavesX-ccee0003", "leaves.", False),
        ("leaves", "leaves", False),
    ],
)
def test_which_names_are_those_of_a_declared_model(name: str, declared: str, is_one: bool) -> None:
    assert is_trained_name(name, declared) is is_one
