import numpy as np
import pytest

from vision_customization.engine.learning.classification.heads import coordinates_in_span
from vision_customization.engine.learning.multi_label.heads import fit_tag_heads


def _samples(images: int, dimensions: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Samples of three tags, the last of them rare."""
    random = np.random.default_rng(seed)
    present = random.random((images, 3)) < [0.5, 0.3, 0.1]
    present[:2] = [[True, True, True], [False, False, False]]
    centres = random.standard_normal((3, dimensions))
    return (present @ centres + random.standard_normal((images, dimensions))).astype(np.float32), present


@pytest.mark.parametrize("dimensions", [8, 200])
def test_scores_are_one_apart_and_tell_the_tag_from_its_absence(dimensions: int) -> None:
    x, present = _samples(80, dimensions)
    scores = fit_tag_heads(x, present, 0.9).scores(x)
    for tag in range(3):
        with_tag, without = scores[present[:, tag], tag].mean(), scores[~present[:, tag], tag].mean()
        assert (with_tag, without) == pytest.approx((0.5, -0.5), abs=1e-3)
    assert ((scores > 0) == present).mean() > 0.9


def test_a_tag_of_all_images_or_of_none_has_no_score() -> None:
    x, present = _samples(30, 100)
    present[:, 0], present[:, 1] = True, False
    scores = fit_tag_heads(x, present, 0.9).scores(x)
    assert not scores[:, :2].any()
    assert scores[:, 2].any()


def test_one_covariance_of_all_images_gives_the_direction_of_each_tags_own() -> None:
    x, present = _samples(60, 6)
    shared = fit_tag_heads(x, present, 1e-9).weights  # without shrinkage, both solve the same equations up to a factor
    for tag in range(3):
        groups = (x[present[:, tag]], x[~present[:, tag]])
        within = np.concatenate([group - group.mean(axis=0) for group in groups]).astype(np.float64)
        own = np.linalg.solve(within.T @ within, groups[0].mean(axis=0) - groups[1].mean(axis=0))
        cosine = own @ shared[:, tag] / np.linalg.norm(own) / np.linalg.norm(shared[:, tag])
        assert cosine == pytest.approx(1, abs=1e-4)


def test_coordinates_in_the_span_learn_the_same() -> None:
    x, present = _samples(40, 300)
    seen = np.arange(40) < 30
    full = fit_tag_heads(x[seen], present[seen], 0.9, dimensions=300).scores(x[~seen])
    span = coordinates_in_span(x)
    reduced = fit_tag_heads(span[seen], present[seen], 0.9, dimensions=300).scores(span[~seen])
    np.testing.assert_allclose(reduced, full, atol=1e-3)
