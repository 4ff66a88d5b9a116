from itertools import pairwise

import numpy as np
import pytest

from vision_customization.engine.learning.classification.novelty import fit_novelty, left_out_distances


def _samples(counts: list[int], dimensions: int = 40, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    centres = random.standard_normal((len(counts), dimensions))
    spread = random.uniform(0.2, 2, dimensions)
    return (centres[labels] + spread * random.standard_normal((len(labels), dimensions))).astype(np.float32), labels


def _distances(seen: np.ndarray, seen_labels: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The definition, in float64: squared distances from the nearest tag's mean, each dimension divided by its variance."""
    seen, x = seen.astype(np.float64), x.astype(np.float64)
    classes = int(seen_labels.max()) + 1
    means = np.stack([seen[seen_labels == label].mean(axis=0) for label in range(classes)])
    variance = np.square(seen - means[seen_labels]).sum(axis=0) / max(len(seen) - classes, 1)
    variance = (variance + variance.mean()) / 2 if variance.any() else np.ones_like(variance)
    return (np.square(x[:, None] - means) / variance).mean(axis=2).min(axis=1)


@pytest.mark.parametrize("counts", [[2, 2], [2, 2, 2, 2], [9, 5, 12], [3, 1, 7], [300, 20]], ids=str)
def test_the_closed_form_equals_leaving_out_each_image(counts: list[int]) -> None:
    x, labels = _samples(counts)
    expected = []
    for index in np.flatnonzero(np.bincount(labels)[labels] > 1):
        kept = np.arange(len(x)) != index
        expected += _distances(x[kept], labels[kept], x[~kept]).tolist()
    np.testing.assert_allclose(left_out_distances(x, labels, len(counts)), expected, rtol=1e-4)


def test_the_closed_form_equals_leaving_out_each_group() -> None:
    x, labels = _samples([8, 5, 600])
    groups = np.random.default_rng(1).integers(0, 4, len(x))
    groups[labels == 2] += np.arange(600) // 3
    expected = []
    for label, group in sorted(set(zip(labels.tolist(), groups.tolist(), strict=True))):
        out = (labels == label) & (groups == group)
        expected += _distances(x[~out], labels[~out], x[out]).tolist()
    np.testing.assert_allclose(left_out_distances(x, labels, 3, groups), expected, rtol=1e-4)


def test_without_any_spread_all_dimensions_count_the_same() -> None:
    x, labels = _samples([2, 1, 1])
    kept = np.array([1, 2, 3]), np.array([0, 2, 3])
    expected = [_distances(x[rest], labels[rest], x[[index]])[0] for index, rest in enumerate(kept)]
    np.testing.assert_allclose(left_out_distances(x, labels, 3), expected, rtol=1e-5)


def test_copies_are_not_novel_and_anything_else_is() -> None:
    x, labels = _samples([1, 1])
    novelty = fit_novelty(np.repeat(x, 4, axis=0), np.repeat(labels, 4), 2)
    assert novelty is not None
    found = novelty.of(np.stack([x[0], x[1], x[0] + 4]))
    assert found[:2].max() < 0.1
    assert found[2] == 1


def test_novelty_is_the_share_of_left_out_images_that_are_nearer() -> None:
    x, labels = _samples([150, 50])
    novelty = fit_novelty(x, labels, 2)
    assert novelty is not None
    random = np.random.default_rng(3)
    images = x[random.permutation(200)] + random.uniform(-1, 1, (200, 40)).astype(np.float32)
    distances = _distances(x, labels, images)
    shares = (left_out_distances(x, labels, 2) < distances[:, None]).mean(axis=1)
    assert 0 < shares.min() < 0.5
    assert np.abs(novelty.of(images) - shares).max() <= 1 / 200 + 1e-3


def test_novelty_rises_with_the_distance_up_to_one() -> None:
    x, labels = _samples([6, 6])
    novelty = fit_novelty(x, labels, 2)
    assert novelty is not None
    away = np.linspace(0, 30, 2000, dtype=np.float32)[:, None] * np.ones(40, np.float32)
    found = novelty.of(x[labels == 0].mean(axis=0) - away)
    assert (np.diff(found) >= 0).all()
    assert found[0] < 1 / 12
    assert found[-1] == 1
    # A few images can't tell how far those of the same kind may lie: beyond the last one it rises slowly.
    beyond = found[(found > 12 / 13) & (found < 0.999)]
    assert len(beyond) > 10
    assert all(after - before < 0.02 for before, after in pairwise(beyond))


def test_unseen_images_of_the_same_kind_are_rarely_marked() -> None:
    x, labels = _samples([400, 400, 400])
    seen = np.arange(len(x)) % 4 == 0
    novelty = fit_novelty(x[seen], labels[seen], 3)
    assert novelty is not None
    assert 0.005 < (novelty.of(x[~seen]) >= 0.98).mean() < 0.05


def test_many_images_keep_a_thousand_steps() -> None:
    x, labels = _samples([11_000, 9_000], 4)
    novelty = fit_novelty(x, labels, 2)
    assert novelty is not None
    assert len(novelty.start) == len(novelty.width) == len(novelty.rise) < 1010
    assert len(left_out_distances(x, labels, 2)) == 10_000
    assert np.quantile(novelty.of(x), 0.5) == pytest.approx(0.5, abs=0.02)


def test_tags_of_one_group_tell_no_novelty() -> None:
    x, labels = _samples([3, 2])
    assert fit_novelty(x, labels, 2, groups=labels) is None
    x, labels = _samples([1, 1])
    assert fit_novelty(x, labels, 2) is None
