"""The recipe of a detector's training: how many steps, and the rate of each."""

import optax
import pytest

from vision_customization.engine.learning.detection.recipe import DetectorRecipe, choose_recipe


@pytest.mark.parametrize(
    ("images", "tags", "steps"),
    [
        (1, 1, 60),
        (1, 2, 70),
        (10, 3, 80),
        (10, 8, 130),
        (28, 2, 149),
        (28, 8, 149),
        (119, 4, 411),
        (292, 3, 500),
        (292, 80, 500),
        (2_000, 3, 500),
        (10_000, 3, 2500),
    ],
)
def test_the_recipe_follows_from_the_number_of_images_and_tags(images: int, tags: int, steps: int) -> None:
    recipe = choose_recipe(images, tags)
    assert recipe.steps == steps
    assert choose_recipe(images, tags, 3).steps == choose_recipe(9 * images, tags).steps
    assert recipe.tail().steps == max(1, steps // 4)


@pytest.mark.parametrize("steps", [1, 4, 60, 400])
def test_the_rate_rises_and_falls_by_a_cosine(steps: int) -> None:
    recipe = DetectorRecipe(rate=5e-4)
    warm_up = max(1, round(0.1 * steps))
    known = optax.warmup_cosine_decay_schedule(5e-5, 5e-4, warm_up, max(steps, warm_up + 1), 1e-5)
    for step in range(steps):
        assert recipe.rate_of(step, steps) == pytest.approx(float(known(step)), rel=1e-4)


def test_a_training_that_is_shortened_on_its_way_ends_with_low_rates_too() -> None:
    recipe = DetectorRecipe(rate=5e-4)
    assert recipe.rate_of(200, 400) > 0.5 * recipe.rate
    assert recipe.rate_of(200, 210) < 0.03 * recipe.rate
