"""A recipe fitted by sums over batches is the one that is fitted in memory, whatever the batches."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.special import logit

from tests.support.made_features import make_multi_label_features
from vision_customization.engine.learning import (
    LearningError,
    TrainedClassifier,
    TrainedMultiLabel,
    train_classifier,
    train_multi_label,
)
from vision_customization.engine.learning.classification.classifier import apply_blocks
from vision_customization.engine.learning.classification.everything import sample_rows, sum_up
from vision_customization.engine.learning.classification.novelty import fit_novelty
from vision_customization.engine.learning.classification.recipes import CENTRE, RECIPES, TEXTURE, WHOLE, Recipe
from vision_customization.engine.learning.classification.sums import spread_of, summed_head
from vision_customization.engine.learning.classification.training import fit_classifier, with_novelty
from vision_customization.engine.learning.classification.views import DIMENSIONS, SLICES, View
from vision_customization.engine.learning.multi_label.heads import fit_tag_heads, summed_tag_heads


def one_tag_each(labels: np.ndarray, tags: int) -> csr_array:
    """Labels, int64 [n], as bool [n, k]."""
    return csr_array((np.ones(len(labels), np.bool_), labels, np.arange(len(labels) + 1)), shape=(len(labels), tags))


@dataclass
class Batches:
    """Features in memory, in batches of their own order; the columns that were not asked for are not numbers."""

    features: np.ndarray
    tags: csr_array
    sample: np.ndarray
    order: np.ndarray
    stops: Sequence[int] = (100, 101, 500)

    def batches(self, views: tuple[View, ...]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for rows in np.split(self.order, self.stops):
            batch = np.full((len(rows), DIMENSIONS), np.nan, np.float16)
            for view in views:
                batch[:, SLICES[view]] = self.features[rows, SLICES[view]]
            yield rows, batch


def made(images: int, tags: int, noise: float = 2.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features of images with one tag each, the tags in order, float16 [n, dimensions], and their labels."""
    random = np.random.default_rng(seed)
    labels = np.sort(random.integers(0, tags, images))
    means = random.normal(size=(tags, DIMENSIONS)).astype(np.float32)
    features = means[labels] + noise * random.standard_normal((images, DIMENSIONS), np.float32)
    return np.abs(features).astype(np.float16), labels.astype(np.int64)


def silent(_share: float) -> None:
    return


@pytest.mark.parametrize("recipe", RECIPES, ids=[recipe.name for recipe in RECIPES])
def test_sums_give_the_classifier_that_is_fitted_in_memory(recipe: Recipe) -> None:
    features, labels = made(1000, 12)
    tags, sample = one_tag_each(labels, 12), np.arange(0, 1000, 7)
    everything = Batches(features, tags, sample, np.random.default_rng(1).permutation(1000))
    summed = sum_up(recipe, features[sample], everything, one_tag=True, report=silent)
    expected = with_novelty(fit_classifier(recipe, features, labels, list("abcdefghijkl"), sharpness=1.0), features, labels)
    for block, of_memory in zip(summed.blocks, expected.blocks, strict=True):
        np.testing.assert_allclose(block.mean, of_memory.mean, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(block.scale, of_memory.scale, rtol=1e-5)
    whole = summed.others + summed.alike
    head = summed_head(recipe, whole)
    x = apply_blocks(summed.blocks, features)
    np.testing.assert_allclose(
        head.scores(x), apply_blocks(expected.blocks, features) @ expected.weights + expected.bias, atol=1e-4
    )
    novelty = fit_novelty(x, labels, 12, spread=spread_of(whole))
    assert novelty is not None
    assert expected.novelty is not None
    np.testing.assert_allclose(novelty.of(x), expected.novelty.of(x), atol=1e-4)
    assert summed.alike.images == len(sample)


def test_sums_depend_neither_on_the_order_nor_on_the_batches() -> None:
    features, labels = made(1000, 5)
    tags, sample = one_tag_each(labels, 5), np.arange(0, 1000, 9)
    found = []
    for seed, stops in enumerate([(100, 101, 700), (), tuple(range(50, 1000, 50))]):
        everything = Batches(features, tags, sample, np.random.default_rng(seed).permutation(1000), stops)
        summed = sum_up(CENTRE, features[sample], everything, one_tag=True, report=silent)
        head = summed_head(CENTRE, summed.others + summed.alike)
        found.append([head.weights.tobytes(), head.bias.tobytes(), *(block.scale.tobytes() for block in summed.blocks)])
    assert found[0] == found[1] == found[2]


def test_the_heads_of_several_tags_are_those_fitted_in_memory() -> None:
    features, labels = made(1000, 4)
    present = np.zeros((1000, 5), np.bool_)
    present[np.arange(1000), labels] = True
    present[::3, 4] = True
    present[5] = False
    tags, sample = csr_array(present), np.arange(0, 1000, 7)
    everything = Batches(features, tags, sample, np.random.default_rng(1).permutation(1000))
    summed = sum_up(WHOLE, features[sample], everything, one_tag=False, report=silent)
    whole = summed.others + summed.alike
    blocks = WHOLE.fit_blocks(features)
    expected = fit_tag_heads(apply_blocks(blocks, features), present, WHOLE.shrinkage).scores(apply_blocks(blocks, features))
    found = summed_tag_heads(whole, WHOLE.shrinkage).scores(apply_blocks(summed.blocks, features))
    np.testing.assert_allclose(found, expected, atol=2e-4)
    np.testing.assert_array_equal(whole.counts, present.sum(axis=0))


def test_images_that_look_like_one_of_the_sample_do_not_judge_it() -> None:
    features, labels = made(60, 3)
    features, labels = np.repeat(features, 4, axis=0), np.repeat(labels, 4)  # four copies of each
    tags, sample = one_tag_each(labels, 3), np.arange(0, 240, 8)
    everything = Batches(features, tags, sample, np.arange(240), (100,))
    summed = sum_up(TEXTURE, features[sample], everything, one_tag=True, report=silent)
    assert (summed.alike.images, summed.others.images) == (120, 120)


@pytest.mark.parametrize("several", [False, True])
def test_a_training_from_a_sample_is_judged_by_what_has_not_seen_it(several: bool) -> None:
    features, labels = made(600, 3, noise=4.0)
    tags = one_tag_each(labels, 3)
    rows = sample_rows(tags, 150)
    everything = Batches(features, tags, rows, np.random.default_rng(2).permutation(600))
    told: list[float] = []
    names = list("abc")
    if several:
        present = tags.toarray()
        trained = train_multi_label(
            features[rows], present[rows], names, everything=everything, progress=lambda share, _: told.append(share)
        )
        whole = train_multi_label(features, present, names)
    else:
        one = train_classifier(
            features[rows], labels[rows], names, everything=everything, progress=lambda share, _: told.append(share)
        )
        assert one.outlook is None
        trained, whole = one, train_classifier(features, labels, names)
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert trained.recipe["sampledImages"] == len(rows)
    assert trained.held_out is not None
    assert trained.held_out.learnt_share == pytest.approx(1 - len(rows) / 600)
    assert trained.held_out.foldings.shape == (1, len(rows), 3)
    assert trained.classifier.novelty is not None
    found, expected = trained.classifier.probabilities(features), whole.classifier.probabilities(features)
    assert np.abs(found - expected).mean() < 0.03
    unlike, alike = (trained.classifier.novelties(each).mean() for each in (3 * made(50, 2, seed=9)[0], features))
    assert unlike > alike


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize(
    ("images", "copies", "sampled"),
    [
        (154, 1, 150),  # the others are 4 images
        (290, 1, 150),  # just under half
        (60, 4, 60),  # all others look like the sample
        (61, 4, 60),  # one picture does not
    ],
)
def test_a_sample_that_the_others_cannot_judge_is_judged_by_its_own_folds(
    several: bool, images: int, copies: int, sampled: int
) -> None:
    features, labels = made(images, 3, noise=4.0)
    order = np.random.default_rng(1).permutation(images)
    features, labels = np.tile(features[order], (copies, 1)), np.tile(labels[order], copies)
    count, names, tags = images * copies, list("abc"), one_tag_each(labels, 3)
    everything = Batches(features, tags, np.arange(sampled), np.random.default_rng(2).permutation(count), (100,))
    here = features[:sampled]
    trained: TrainedClassifier | TrainedMultiLabel
    alone: TrainedClassifier | TrainedMultiLabel
    if several:
        present = tags.toarray()[:sampled]
        trained = train_multi_label(here, present, names, everything=everything)
        alone = train_multi_label(here, present, names)
        assert trained.classifier.thresholds == pytest.approx(alone.classifier.thresholds, abs=0.05)
    else:
        trained = train_classifier(here, labels[:sampled], names, everything=everything)
        alone = train_classifier(here, labels[:sampled], names)
    assert trained.held_out is not None
    assert alone.held_out is not None
    assert trained.held_out.learnt_share == pytest.approx(alone.held_out.learnt_share * sampled / count)
    assert trained.held_out.groups == alone.held_out.groups
    np.testing.assert_array_equal(trained.held_out.rows, alone.held_out.rows)
    np.testing.assert_allclose(trained.held_out.foldings, alone.held_out.foldings, atol=0.05 if several else 0)
    found, expected = trained.classifier.probabilities(here), alone.classifier.probabilities(here)
    assert np.abs(found - expected).mean() < 0.1


def test_several_tags_are_judged_only_where_the_others_have_both_kinds() -> None:
    features, labels = made(400, 3, noise=4.0)
    present = np.zeros((400, 5), np.bool_)
    present[np.arange(400), labels] = True
    present[7, 3] = True  # on one image, of the sample
    present[:, 4] = True
    present[14, 4] = False  # on all others
    sample = np.sort(np.concatenate([np.arange(0, 400, 7), [1, 2, 3]]))
    trained, again = (
        train_multi_label(
            features[sample],
            present[sample],
            list("abcde"),
            everything=Batches(features, csr_array(present), sample, np.random.default_rng(seed).permutation(400), stops),
        )
        for seed, stops in enumerate([(100,), (30, 200)])
    )
    assert trained.classifier.to_npz() == again.classifier.to_npz()
    assert trained.held_out is not None
    assert trained.held_out.learnt_share == 1 - len(sample) / 400
    np.testing.assert_array_equal(sample[trained.held_out.rows], sample[~np.isin(sample, [7, 14])])
    assert np.isfinite(trained.held_out.foldings).all()
    found = trained.classifier.probabilities(features) >= np.array(trained.classifier.thresholds)
    np.testing.assert_array_equal(np.flatnonzero(found[:, 3]), [7])
    assert found[present[:, 4], 4].all()


@pytest.mark.parametrize(("others_judge", "images"), [(True, 2000), (False, 300)])
def test_a_tag_that_is_rarer_in_all_images_than_in_the_sample_is_found(others_judge: bool, images: int) -> None:
    """The sample has 8 of 16 images with the tag and one in twenty of the others, or all 16 and half of the others."""
    random = np.random.default_rng(3)
    present = np.zeros((images, 2), np.bool_)
    present[:, 0] = random.random(images) < 0.5
    present[random.permutation(images)[:16], 1] = True
    features = make_multi_label_features(present, noise=1.0).astype(np.float16)
    tags = csr_array(present)
    sample = sample_rows(tags, 100) if others_judge else np.flatnonzero(present[:, 1] | (np.arange(images) % 2 > 0))
    everything = Batches(features, tags, sample, random.permutation(images))
    trained = train_multi_label(features[sample], present[sample], ["usual", "rare"], everything=everything)
    classifier, held_out = trained.classifier, trained.held_out
    assert held_out is not None
    assert (held_out.learnt_share > 0.5) == others_judge
    thresholds = np.array(classifier.thresholds)
    rare = present[:, 1]
    assert (classifier.probabilities(features) >= thresholds)[rare, 1].all()
    assert (held_out.probabilities >= thresholds)[present[sample[held_out.rows], 1], 1].mean() >= 0.5
    # The estimate and the classifier speak of the same odds.
    unlike = ~present[sample[held_out.rows], 1]
    served = classifier.probabilities(features[sample[held_out.rows]])
    apart = logit(served[unlike, 1]).mean() - logit(held_out.probabilities[unlike, 1]).mean()
    assert abs(apart) < 0.5


def test_features_that_are_no_numbers_are_refused_wherever_they_are() -> None:
    features, labels = made(900, 3)
    features[777] = np.inf
    tags, sample = one_tag_each(labels, 3), np.arange(100)
    with pytest.raises(LearningError, match="not finite"), np.errstate(invalid="ignore"):
        sum_up(CENTRE, features[sample], Batches(features, tags, sample, np.arange(900)), one_tag=True, report=silent)


@pytest.mark.parametrize(
    ("counts", "images", "expected"),
    [
        ((3, 3), 6, (3, 3)),  # all
        ((100, 100), 40, (20, 20)),
        ((1000, 20, 5, 1), 100, (97, 8, 3, 1)),  # at least 8, or half of them
    ],
)
def test_a_sample_has_some_of_each_tag(counts: Sequence[int], images: int, expected: Sequence[int]) -> None:
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
    rows = sample_rows(one_tag_each(labels, len(counts)), images)
    assert (np.diff(rows) > 0).all()
    np.testing.assert_array_equal(np.bincount(labels[rows]), expected)
    first = rows[labels[rows] == 0]
    np.testing.assert_array_equal(first, np.flatnonzero(labels == 0)[: len(first)])


def test_a_sample_of_images_with_several_tags_or_none() -> None:
    present = np.zeros((1000, 3), np.bool_)
    present[:, 0] = True
    present[:40, 1] = True
    present[900:] = False
    rows = sample_rows(csr_array(present), 100)
    assert (present[rows].sum(axis=0) == [94, 8, 0]).all()
    assert 110 > len(rows) >= 100


def several_tags(images: int = 400) -> np.ndarray:
    """bool [n, 4]: all images but three have the first tag, and half of them the second. The images with the last one have the
    third, which is rarer, too."""
    present = np.zeros((images, 4), np.bool_)
    present[:, 0] = True
    present[[-30, -20, -10], 0] = False
    present[:, 1] = np.arange(images) < images // 2
    present[: images // 2 : 2, 2] = True
    present[images // 2 - 40 :, 3] = True
    present[-30:, 2] = True
    return present


@pytest.mark.parametrize("seed", range(5))
def test_a_sample_has_images_with_and_without_each_tag(seed: int) -> None:
    present = np.random.default_rng(seed).permutation(several_tags())
    rows = sample_rows(csr_array(present), 40)
    np.testing.assert_array_equal(rows, sample_rows(csr_array(present), 40))
    for kind in (present, ~present):
        assert (kind[rows].sum(axis=0) >= np.minimum(-(-kind.sum(axis=0) // 2), 8)).all()
    assert 40 <= len(rows) < 60


@pytest.mark.parametrize(("missing", "refused"), [([5], False), ([], True)])
def test_whether_a_tag_can_be_learnt_is_asked_of_all_images(missing: list[int], refused: bool) -> None:
    present = np.random.default_rng(0).random((200, 2)) < 0.5
    present[:, 1] = True
    present[missing, 1] = False
    features = make_multi_label_features(present).astype(np.float16)
    sample = np.arange(100, 180)  # without the image that does not have the tag
    everything = Batches(features, csr_array(present), sample, np.arange(200), (50,))

    def train() -> TrainedMultiLabel:
        return train_multi_label(features[sample], present[sample], ["a", "b"], everything=everything)

    if refused:
        with pytest.raises(LearningError, match="1 of 2 tags are on every image: 'b'"):
            train()
    else:
        assert np.isfinite(train().classifier.probabilities(features)).all()
