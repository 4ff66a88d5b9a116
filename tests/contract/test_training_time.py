from dataclasses import replace

import pytest

from vision_customization.contract.enums import ModelKind
from vision_customization.contract.training_rules import training_steps
from vision_customization.contract.training_time import (
    ASSUMED_SPEED,
    BUDGET_MARGIN,
    Speed,
    Workload,
    budget_fault,
    budget_range_fault,
    detector_steps,
    duration,
    hours_for,
    least_seconds,
    of_budget,
    training_seconds,
)

CLASSIFIER, DETECTOR, RECOGNIZER = ModelKind
SPEED = Speed(embedded_image_seconds=0.1, read_image_seconds=0.05, step_seconds=1.0, start_seconds=40.0)


@pytest.mark.parametrize(
    ("work", "seconds"),
    [
        (Workload(CLASSIFIER, 1000, 2), 2 + 100),
        (Workload(CLASSIFIER, 1000, 80), 2 + 100),
        (Workload(CLASSIFIER, 1000, 2, kept=900), 2 + 900 * 0.005 + 10),
        (Workload(DETECTOR, 160, 1), 40 + 8 + 1.25 * training_steps(160, 1)),
        (Workload(RECOGNIZER, 160, 1), 40 + 8 + 1.25 * training_steps(160, 1)),
        (Workload(DETECTOR, 160, 1, kept=160), 40 + 0.8 + 1.25 * training_steps(160, 1)),
        (Workload(DETECTOR, 100, 5, tiles=3), 40 + 5 + 1.25 * training_steps(900, 5)),
    ],
)
def test_the_whole_training(work: Workload, seconds: float) -> None:
    assert training_seconds(work, SPEED) == pytest.approx(seconds)


def test_the_least_training_of_a_detector_has_the_steps_of_few_images() -> None:
    work = Workload(DETECTOR, 10_000, 5, tiles=2)
    assert least_seconds(work, SPEED) == pytest.approx(40 + 500 + detector_steps(1, 5))
    assert least_seconds(work, SPEED) < training_seconds(work, SPEED)
    classifier = replace(work, kind=CLASSIFIER, tiles=1)
    assert least_seconds(classifier, SPEED) == training_seconds(classifier, SPEED)


REFUSED = (
    "A budget of 1 h is not enough for {} images: the shortest training from them is estimated to take {}. {} fewer images."
)


@pytest.mark.parametrize(
    ("work", "hours", "speed", "said"),
    [
        (Workload(DETECTOR, 160, 1), 1, ASSUMED_SPEED, None),  # the hosted service demands 1.1 hours
        (Workload(DETECTOR, 2000, 20), 1, ASSUMED_SPEED, None),
        (Workload(CLASSIFIER, 30_000, 20), 1, ASSUMED_SPEED, None),
        (Workload(CLASSIFIER, 71_900, 2), 1, SPEED, None),
        (Workload(CLASSIFIER, 80_000, 2), 1, SPEED, REFUSED.format("80,000", "2.2 h", "Set timeBudgetInHours to 3, or use")),
        (Workload(CLASSIFIER, 80_000, 2), 2, SPEED, None),
        # Whether the images are kept is known to an engine only once it reads them.
        (
            Workload(CLASSIFIER, 80_000, 2, kept=80_000),
            1,
            SPEED,
            REFUSED.format("80,000", "2.2 h", "Set timeBudgetInHours to 3, or use"),
        ),
        # Suggested is what holds the whole training, not only the shortest.
        (
            Workload(DETECTOR, 200_000, 3, tiles=2),
            1,
            SPEED,
            REFUSED.format("200,000", "2.8 h", "Set timeBudgetInHours to {}, or use"),
        ),
        (
            Workload(CLASSIFIER, 1_000_000, 2),
            1,
            replace(SPEED, embedded_image_seconds=2.0),
            REFUSED.format("1,000,000", "555.6 h", "Use a faster machine, or"),
        ),
    ],
)
def test_a_budget_is_refused_only_if_the_machine_cannot_keep_it(
    work: Workload, hours: float, speed: Speed, said: str | None
) -> None:
    assert budget_fault(work, hours, speed) == (said and said.format(hours_for(work, speed)))


def test_the_margin_is_of_the_shortest_training() -> None:
    work = Workload(DETECTOR, 160, 1)
    bound = least_seconds(work, SPEED) / BUDGET_MARGIN / 3600
    assert budget_fault(work, bound * 1.01, SPEED) is None
    assert budget_fault(work, bound * 0.99, SPEED) is not None


@pytest.mark.parametrize(
    ("kind", "hours", "said"),
    [
        (CLASSIFIER, 1, None),
        (CLASSIFIER, 336, None),
        (CLASSIFIER, 337, "must be 1 to 336 hours for a Generic-Classifier, not 337"),
        (CLASSIFIER, 0.5, "must be 1 to 336 hours for a Generic-Classifier, not 0.5"),
        (DETECTOR, 1344, None),
        (DETECTOR, 1345, "must be 1 to 1344 hours for a Generic-Detector, not 1345"),
        (RECOGNIZER, 337, "must be 1 to 336 hours for a Product-Recognizer, not 337"),
    ],
)
def test_the_range_of_a_budget(kind: ModelKind, hours: float, said: str | None) -> None:
    assert budget_range_fault(kind, hours) == said


FEWER_STEPS = "more than the budget, so the model is trained in fewer steps, and from the images read in time"


@pytest.mark.parametrize(
    ("work", "said"),
    [
        (Workload(CLASSIFIER, 20, 2), "about 4 s of 1 h"),
        (Workload(CLASSIFIER, 3000, 2), "about 5 min of 1 h"),
        (
            Workload(CLASSIFIER, 60_000, 2),
            "about 100 min of 1 h: more than the budget, so the model is trained from the images read in time",
        ),
        (
            Workload(DETECTOR, 60_000, 2),
            f"about {duration(40 + 3000 + detector_steps(60_000, 2))} of 1 h: {FEWER_STEPS}",
        ),
    ],
)
def test_the_estimate_beside_the_budget(work: Workload, said: str) -> None:
    assert of_budget(work, 1, SPEED) == said


@pytest.mark.parametrize(
    ("work", "hours"), [(Workload(DETECTOR, 160, 1), 1), (Workload(CLASSIFIER, 36_000, 1), 2), (Workload(CLASSIFIER, 10, 1), 1)]
)
def test_the_hours_hold_the_whole_training(work: Workload, hours: int) -> None:
    assert hours_for(work, SPEED) == hours


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "0 s"), (119, "119 s"), (600, "10 min"), (7199, "120 min"), (9000, "2.5 h")]
)
def test_duration(seconds: float, said: str) -> None:
    assert duration(seconds) == said
