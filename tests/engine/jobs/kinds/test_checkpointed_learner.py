"""Learning that ends anywhere and goes on from what was saved, with a learner that only counts."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vision_customization.engine.learning.detection.training as learning
from vision_customization.engine.jobs.kinds.checkpointed_learner import CheckpointedLearner, Phase
from vision_customization.engine.learning.detection.recipe import DetectorRecipe
from vision_customization.engine.learning.npz import from_npz, to_npz
from vision_customization.engine.objects.files import FileObjects

STEPS = (5, 2)


class CountingLearner:
    """Its one weight counts the steps that led to it."""

    def __init__(self, recipe: DetectorRecipe, images: Any, weights: dict[str, np.ndarray]) -> None:  # noqa: ANN401
        self.recipe, self.images, self.steps, self.step, self._count = recipe, images, recipe.steps, 0, weights["count"]

    @property
    def done(self) -> bool:
        return self.step >= self.steps

    def run(self, steps: int, after: Any) -> float:  # noqa: ANN401
        while self.step < min(self.steps, steps):
            self.step += 1
            self._count = self._count + 1
            if not after(self.step):
                break
        return 0.5

    def weights(self) -> dict[str, np.ndarray]:
        return {"count": self._count}

    def to_npz(self) -> bytes:
        return to_npz({"step": np.array(self.step), "count": self._count})

    def resume(self, data: bytes) -> None:
        arrays = from_npz(data)
        self.step, self._count = int(arrays["step"]), arrays["count"]


@pytest.fixture(autouse=True)
def counting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning, "DetectorLearner", CountingLearner)


def opened(folder: Path) -> CheckpointedLearner:
    phases = [Phase(DetectorRecipe(side=96, steps=steps, batch=2), ()) for steps in STEPS]
    return CheckpointedLearner(phases, {"count": np.array(0)}, FileObjects(folder), "jobs/j/{}".format)


def stands_at(learner: CheckpointedLearner) -> tuple[int, int]:
    return learner.phase, learner.step


@pytest.mark.parametrize("saved_every", [1, 2, 3, 100])
@pytest.mark.parametrize("killed_at", range(sum(STEPS)))
def test_wherever_it_is_killed_it_goes_on_from_the_last_checkpoint_and_takes_each_step_once(
    tmp_path: Path, saved_every: int, killed_at: int
) -> None:
    learner, taken, saved, killed = opened(tmp_path), 0, (0, 0), False

    def after(step: int) -> bool:
        nonlocal taken
        taken += 1
        if taken == killed_at + 1 and not killed:
            raise KeyboardInterrupt
        return step % saved_every != 0

    while not (learner.phase == len(STEPS) - 1 and learner.phase_done):
        try:
            learner.run(after)
        except KeyboardInterrupt:
            killed = True
            learner = opened(tmp_path)
            assert stands_at(learner) == saved
            continue
        learner.save()
        saved = stands_at(learner)
    assert killed
    assert learner.weights()["count"] == sum(STEPS)
    assert taken <= sum(STEPS) + min(saved_every, max(STEPS))
    assert opened(tmp_path).weights()["count"] == sum(STEPS)


def test_where_no_step_is_left_none_is_taken(tmp_path: Path) -> None:
    learner = opened(tmp_path)
    assert [learner.run(lambda _step: True) for _ in range(3)] == [0.5, 0.5, None]
    assert stands_at(learner) == (1, 2)


def test_a_phase_learns_by_its_own_recipe(tmp_path: Path) -> None:
    learner = opened(tmp_path)
    learner.run(lambda _step: True)
    assert (learner.phase, learner.recipe.steps, learner.phase_done) == (0, 5, True)
    learner.run(lambda _step: False)
    assert (learner.phase, learner.recipe.steps, learner.phase_done) == (1, 2, False)


def test_phases_that_are_planned_anew_have_so_many_steps(tmp_path: Path) -> None:
    learner = opened(tmp_path)
    learner.run(lambda step: step < 2)
    learner.plan([3, 1])
    assert not learner.phase_done
    learner.run(lambda _step: True)
    assert stands_at(learner) == (0, 3)
    assert learner.phase_done
    learner.save()
    later = opened(tmp_path)
    later.plan([3, 1])
    assert later.phase_done
    assert [later.run(lambda _step: True) for _ in range(2)] == [0.5, None]
    assert stands_at(later) == (1, 1)
