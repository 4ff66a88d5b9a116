import numpy as np
import pytest

from vision_customization.engine.learning.label_issues import likely_labels, likely_present


def test_another_tag_must_be_as_probable_as_on_its_own_images() -> None:
    labels = np.array([0, 0, 1, 1, 1])
    probabilities = np.array([[0.9, 0.1], [0.3, 0.7], [0.2, 0.8], [0.55, 0.45], [0.7, 0.3]], np.float32)
    # The means are 0.6 and 0.517: the second image reaches that of tag 1, the last that of tag 0, the fourth neither.
    np.testing.assert_array_equal(likely_labels(labels, probabilities), [0, 1, 1, 1, 0])


@pytest.mark.parametrize("images", [0, 4])
def test_a_tag_without_images_is_never_likely(images: int) -> None:
    labels = np.arange(images) % 2
    probabilities = np.tile(np.array([0.1, 0.1, 0.8], np.float32), (images, 1))
    np.testing.assert_array_equal(likely_labels(labels, probabilities), labels)


def test_flipped_labels_are_found_and_few_others() -> None:
    random = np.random.default_rng(0)
    truth = random.integers(0, 5, 500)
    scores = random.normal(size=(500, 5))
    scores[np.arange(500), truth] += 4
    probabilities = np.exp(scores)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    labels, flipped = truth.copy(), random.choice(500, 50, replace=False)
    labels[flipped] = (truth[flipped] + 1 + random.integers(0, 4, 50)) % 5
    marked = likely_labels(labels, probabilities.astype(np.float32)) != labels
    assert marked[flipped].mean() > 0.7
    assert marked.sum() < 60


def test_of_several_tags_each_is_judged_by_itself() -> None:
    present = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], bool)
    probabilities = np.array([[0.9, 0.1], [0.1, 0.2], [0.8, 0.9], [0.1, 0.1]], np.float32)
    np.testing.assert_array_equal(likely_present(present, probabilities), [[1, 0], [0, 0], [1, 1], [0, 0]])
