"""Short vectors of a draft's images."""

import numpy as np
import pytest

from vision_customization.engine.drafts.vectors import DIMENSIONS, DraftVectors, Projection
from vision_customization.engine.learning import ArtifactError
from vision_customization.engine.learning.classification.views import LAYOUTS, dimensions_of

WIDTHS = [dimensions_of(backbones) for backbones in LAYOUTS.values()]


def features(count: int, width: int, kinds: int = 4) -> np.ndarray:
    """Of images of so many kinds, one after the other."""
    random = np.random.default_rng(0)
    centres = random.random((kinds, width))
    return np.abs(centres[np.arange(count) % kinds] + random.normal(0, 0.2, (count, width))).astype(np.float32)


@pytest.mark.parametrize("width", WIDTHS)
def test_images_of_a_kind_are_near_each_other(width: int) -> None:
    all_features = features(60, width)
    projection = Projection.fit(all_features[:40], 60)
    vectors = projection.vectors(all_features).astype(np.float32)
    assert vectors.shape == (60, 39)
    distances = np.square(vectors[:, None] - vectors[None]).sum(axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (distances.argmin(axis=1) % 4 == np.arange(60) % 4).all()


@pytest.mark.parametrize(("count", "expected"), [(1, 1), (2, 1), (9, 8), (DIMENSIONS + 40, DIMENSIONS)])
def test_as_many_dimensions_as_the_images_give(count: int, expected: int) -> None:
    vectors = Projection.fit(features(count, WIDTHS[0]), count).vectors(features(count, WIDTHS[0]))
    assert vectors.shape == (count, expected)
    assert np.isfinite(vectors).all()


def test_equal_images_are_no_fault() -> None:
    same = np.ones((5, WIDTHS[0]), np.float32)
    assert np.isfinite(Projection.fit(same, 5).vectors(same)).all()


@pytest.mark.parametrize("width", WIDTHS)
def test_they_are_stored_and_read(width: int) -> None:
    seen = features(12, width)
    projection = Projection.fit(seen, 12)
    made = DraftVectors("key", projection, np.arange(0, 24, 2, dtype=np.int32), projection.vectors(seen), until=30, unread=3)
    again = DraftVectors.from_npz(made.to_npz())
    assert (again.key, again.until, again.unread, again.projection.images) == ("key", 30, 3, 12)
    assert again.numbers.tolist() == made.numbers.tolist()
    assert np.array_equal(again.vectors, made.vectors)
    assert np.array_equal(again.projection.vectors(seen), made.vectors)
    assert again.to_npz() == made.to_npz()


def test_damaged_vectors_are_refused() -> None:
    seen = features(3, WIDTHS[0])
    projection = Projection.fit(seen, 3)
    data = DraftVectors("key", projection, np.arange(3, dtype=np.int32), projection.vectors(seen), 3).to_npz()
    for broken in (b"", data[: len(data) // 2], data.replace(b'"version": 1', b'"version": 9')):
        with pytest.raises(ArtifactError):
            DraftVectors.from_npz(broken)
