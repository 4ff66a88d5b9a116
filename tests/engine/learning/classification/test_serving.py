"""Heads on shared networks: the exported file's answers, and each image computed once."""

import threading
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnxruntime import InferenceSession
from PIL import Image

from vision_customization.engine.learning import Classifier, ClassifierSession, FeatureExtractor, export_classifier
from vision_customization.engine.learning.classification import features as feature_extraction
from vision_customization.engine.learning.classification.feature_graph import PLANES
from vision_customization.engine.learning.classification.recipes import RECIPES, Recipe
from vision_customization.engine.learning.classification.serving import RECENT_IMAGES, SharedClassifier, SharedNetworks
from vision_customization.engine.learning.classification.training import fit_classifier, with_novelty
from vision_customization.engine.learning.classification.views import Pass, passes_of
from vision_customization.engine.learning.onnx_files.sessions import open_session

LARGEST_DIFFERENCE = 1e-5
SIZES = [(64, 64), (50, 70), (333, 250), (1200, 300), (60, 900), (50, 4000)]
LABELS = np.arange(12) % 3
TAGS = ("apple", "Birne", "桃")
CENTRE, WHOLE, TEXTURE = RECIPES


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    pictures = []
    for height, width in SIZES * 2:
        coarse = Image.fromarray(random.integers(0, 255, (6, 6, 3), dtype=np.uint8))
        noise = random.integers(0, 30, (height, width, 3))
        pictures.append(np.clip(np.asarray(coarse.resize((width, height))).astype(int) + noise, 0, 255).astype(np.uint8))
    return pictures


@pytest.fixture(scope="module")
def features(extractor: FeatureExtractor, pictures: list[np.ndarray]) -> np.ndarray:
    return np.stack(extractor.extract(pictures))


@pytest.fixture(scope="module")
def networks(weights_dir: Path) -> SharedNetworks:
    return SharedNetworks(weights_dir, 2)


def classifier_of(recipe: Recipe, features: np.ndarray, *, multi_label: bool = False) -> Classifier:
    fitted = fit_classifier(recipe, features, LABELS, TAGS, sharpness=2.0)
    classifier = with_novelty(fitted, features, LABELS)
    return replace(classifier, thresholds=(0.25, 0.5, 0.75)) if multi_label else classifier


class Fills:
    """Counts the passes that the networks compute; a call waits for `open`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.passes: list[Pass] = []
        self.begun = threading.Event()
        self.open = threading.Event()
        self.open.set()
        fill = FeatureExtractor.fill

        def counted(
            extractor: FeatureExtractor,
            features: Sequence[np.ndarray],
            images: Sequence[np.ndarray],
            passes: Collection[Pass],
            options: Any = None,  # noqa: ANN401 - ONNX Runtime has no types
        ) -> None:
            self.passes += passes
            self.begun.set()
            assert self.open.wait(30)
            fill(extractor, features, images, passes, options)

        monkeypatch.setattr(FeatureExtractor, "fill", counted)


@pytest.mark.parametrize("multi_label", [False, True], ids=["one-tag", "multi-label"])
@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_a_head_answers_like_its_file(
    recipe: Recipe,
    multi_label: bool,
    features: np.ndarray,
    pictures: list[np.ndarray],
    networks: SharedNetworks,
    weights_dir: Path,
) -> None:
    classifier = classifier_of(recipe, features, multi_label=multi_label)
    file = ClassifierSession(export_classifier(classifier, weights_dir))
    head = SharedClassifier(Classifier.from_npz(classifier.to_npz()), networks)
    assert (head.tags, head.thresholds) == (file.tags, file.thresholds)
    for number, pixels in enumerate(pictures[: len(SIZES)]):
        expected, expected_novelty = file.classify(pixels)
        assert expected_novelty is not None
        for alone in (True, False):
            probabilities, novelty = head.classify(pixels, f"{recipe.name}-{number}-{alone}", alone=alone)
            assert probabilities.dtype == np.float32
            np.testing.assert_allclose(probabilities, expected, rtol=0, atol=LARGEST_DIFFERENCE)
            assert novelty == pytest.approx(expected_novelty, abs=LARGEST_DIFFERENCE)


def test_an_image_is_computed_once_for_all_models(
    features: np.ndarray, pictures: list[np.ndarray], networks: SharedNetworks, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, centre, again = (SharedClassifier(classifier_of(recipe, features), networks) for recipe in (WHOLE, CENTRE, CENTRE))
    alone = centre.classify(pictures[2])
    fills = Fills(monkeypatch)
    whole.classify(pictures[2], "a-picture")
    assert set(fills.passes) == set(passes_of(classifier_of(WHOLE, features).views))
    for model in (centre, again):
        probabilities, novelty = model.classify(pictures[2], "a-picture")
        np.testing.assert_allclose(probabilities, alone[0], rtol=0, atol=LARGEST_DIFFERENCE)
        assert novelty == pytest.approx(alone[1], abs=LARGEST_DIFFERENCE)
    needed = passes_of(tuple({*classifier_of(WHOLE, features).views, *classifier_of(CENTRE, features).views}))
    assert sorted(fills.passes, key=str) == sorted(needed, key=str), "each pass once: the third model needs nothing new"
    whole.classify(pictures[1], "a-picture")
    assert len(fills.passes) > len(needed), "pixels of another size are not those of this file"


def test_an_image_asked_of_two_models_at_once_is_computed_once(
    features: np.ndarray, pictures: list[np.ndarray], networks: SharedNetworks, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = [SharedClassifier(classifier_of(TEXTURE, features), networks) for _ in range(4)]
    fills = Fills(monkeypatch)
    fills.open.clear()
    with ThreadPoolExecutor(4) as threads:
        answers = [threads.submit(model.classify, pictures[0], "at-once") for model in models]
        assert fills.begun.wait(30)
        fills.open.set()
        first, *others = [answer.result(30) for answer in answers]
    assert len(fills.passes) == 1
    for other in others:
        np.testing.assert_array_equal(first[0], other[0])


def test_only_the_last_images_are_kept(
    features: np.ndarray, pictures: list[np.ndarray], networks: SharedNetworks, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = SharedClassifier(classifier_of(TEXTURE, features), networks)
    fills = Fills(monkeypatch)
    for number in range(RECENT_IMAGES + 1):
        model.classify(pictures[0], f"kept-{number}")
    model.classify(pictures[0], f"kept-{RECENT_IMAGES}")
    assert len(fills.passes) == RECENT_IMAGES + 1
    model.classify(pictures[0], "kept-0")
    assert len(fills.passes) == RECENT_IMAGES + 2
    model.classify(pictures[0])
    model.classify(pictures[0])
    assert len(fills.passes) == RECENT_IMAGES + 4, "without a digest nothing is kept"


def test_a_stopped_call_spoils_neither_its_successor_nor_other_models(
    features: np.ndarray, pictures: list[np.ndarray], networks: SharedNetworks, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped, other = (SharedClassifier(classifier_of(WHOLE, features), networks) for _ in range(2))
    expected = other.classify(pictures[2])[0]
    fills = Fills(monkeypatch)
    fills.open.clear()
    with ThreadPoolExecutor(2) as threads:
        call = threads.submit(stopped.classify, pictures[2], "stopped")
        assert fills.begun.wait(30)
        waiting = threads.submit(other.classify, pictures[2], "stopped")
        stopped.stop()
        fills.open.set()
        with pytest.raises(Exception, match="terminate flag"):
            call.result(30)
        np.testing.assert_allclose(waiting.result(30)[0], expected, rtol=0, atol=LARGEST_DIFFERENCE)
    np.testing.assert_allclose(stopped.classify(pictures[2])[0], expected, rtol=0, atol=LARGEST_DIFFERENCE)


@pytest.mark.parametrize("threads", [1, 2])
def test_networks_are_opened_once_however_many_ask(threads: int, weights_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[int] = []

    def counted(model: bytes, threads: int) -> InferenceSession:
        [output, *_] = onnx.load_from_string(model).graph.output
        opened.extend([threads] * (output.name != PLANES))
        return open_session(model, threads)

    monkeypatch.setattr(feature_extraction, "open_session", counted)
    networks = SharedNetworks(weights_dir, threads)
    assert networks.have(CENTRE.views)
    assert opened == [], "no network is opened before it is needed"
    for recipe, count in ((TEXTURE, 1), (CENTRE, 4), (WHOLE, 4)):
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _, recipe=recipe: networks.open(passes_of(recipe.views)), range(4)))
        assert len(opened) == count * threads, recipe.name
    assert set(opened) == set(range(1, threads + 1))
