"""The layouts of features: with and without the network that may be missing."""

import numpy as np
import pytest

from tests.support.made_features import make_features
from vision_customization.engine.learning.classification.recipes import RECIPES
from vision_customization.engine.learning.classification.training import fit_classifier
from vision_customization.engine.learning.classification.views import (
    DIMENSIONS,
    LAYOUTS,
    SLICES,
    VIEWS,
    Pooling,
    dimensions_of,
    layout_key,
    layout_of,
    subject,
    views_in,
    views_of,
)
from vision_customization.engine.learning.pretrained.backbones import BACKBONES, LITE0, REQUIRED, TINYVIT


def test_without_the_third_network_the_features_are_those_of_before() -> None:
    """Models and features of engines that had two networks are named by this key."""
    assert layout_key(REQUIRED) == "0a774f5e9eb9b72e"
    assert dimensions_of(REQUIRED) == 10_720


def test_they_are_the_beginning_of_those_with_it() -> None:
    end = 0
    for view in VIEWS:
        assert SLICES[view] == slice(end, end + view.dimensions)
        end += view.dimensions
    assert end == DIMENSIONS == dimensions_of(BACKBONES)
    assert VIEWS[: len(views_of(REQUIRED))] == views_of(REQUIRED)
    assert len({view.name for view in VIEWS}) == len(VIEWS)


def test_a_layout_is_known_by_the_length_of_its_features() -> None:
    assert [views_in(dimensions_of(backbones)) for backbones in LAYOUTS.values()] == [views_of(REQUIRED), VIEWS]
    with pytest.raises(ValueError, match=f"features are of length 10721, expected 10720 or {DIMENSIONS}"):
        views_in(10_721)


def test_a_classifier_is_of_the_shortest_layout_that_has_its_views() -> None:
    assert layout_of([subject(LITE0, Pooling.CENTRE)]) == layout_key(REQUIRED)
    assert layout_of([subject(LITE0, Pooling.CENTRE), subject(TINYVIT, Pooling.CENTRE)]) == layout_key(BACKBONES)


def test_a_classifier_answers_on_features_of_each_layout_that_has_its_views() -> None:
    features, labels = make_features([4, 4])
    recipe = RECIPES[0].within(views_of(REQUIRED))
    classifier = fit_classifier(recipe, features, labels, ("a", "b"), sharpness=1.0)
    shorter = features[:, : dimensions_of(REQUIRED)]
    assert SLICES[classifier.views[-1]].stop <= shorter.shape[1]
    np.testing.assert_array_equal(classifier.probabilities(shorter), classifier.probabilities(features))
