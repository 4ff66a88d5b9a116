import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from PIL import Image

from tests.support.made_features import make_features
from vision_customization.engine.learning import (
    ArtifactError,
    Classifier,
    ClassifierSession,
    FeatureExtractor,
    WeightsError,
    export_classifier,
    read_classifier,
)
from vision_customization.engine.learning.classification.recipes import RECIPES, Recipe
from vision_customization.engine.learning.classification.training import fit_classifier, with_novelty
from vision_customization.engine.learning.classification.views import (
    SLICES,
    Pooling,
    dimensions_of,
    layout_key,
    subject,
)
from vision_customization.engine.learning.pretrained.backbones import BACKBONES, REQUIRED, TINYVIT

LARGEST_DIFFERENCE = 1e-4
"""Between the file's probabilities and those from kept features."""

SIZES = [(64, 64), (50, 70), (333, 250), (1200, 300), (60, 900), (50, 4000)]


@pytest.fixture
def recipe(request: pytest.FixtureRequest, extractor: FeatureExtractor) -> Recipe:
    if not all(view.source.backbone in extractor.networks for block in request.param.blocks for view in block):
        pytest.skip("the weights of a network are not there")
    return request.param


of_each_recipe = pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name, indirect=True)


def _train(recipe: Recipe, features: np.ndarray, labels: np.ndarray, tags: tuple[str, ...]) -> Classifier:
    return fit_classifier(recipe, features, labels, tags, sharpness=2.0)


def _with_novelty(recipe: Recipe, features: np.ndarray, labels: np.ndarray, tags: tuple[str, ...]) -> Classifier:
    return with_novelty(_train(recipe, features, labels, tags), features, labels)


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    pictures = []
    for height, width in SIZES:
        coarse = Image.fromarray(random.integers(0, 255, (6, 6, 3), dtype=np.uint8))
        noise = random.integers(0, 30, (height, width, 3))
        pictures.append(np.clip(np.asarray(coarse.resize((width, height))).astype(int) + noise, 0, 255).astype(np.uint8))
    return pictures


@pytest.fixture(scope="module")
def features(extractor: FeatureExtractor, pictures: list[np.ndarray]) -> np.ndarray:
    return np.stack(extractor.extract(pictures))


def test_an_extractor_may_be_shared_between_threads(
    extractor: FeatureExtractor, pictures: list[np.ndarray], features: np.ndarray
) -> None:
    """As a worker's training and its evaluation do."""
    with ThreadPoolExecutor(3) as threads:
        for found in threads.map(lambda _: np.stack(extractor.extract(pictures)), range(3)):
            np.testing.assert_array_equal(found, features)


LABELS = np.array([0, 1, 2, 0, 1, 2])
TAGS = ("apple", "Birne", "桃")


@of_each_recipe
def test_the_file_gives_the_numbers_of_the_features(
    recipe: Recipe, features: np.ndarray, pictures: list[np.ndarray], weights_dir: Path
) -> None:
    classifier = _train(recipe, features, LABELS, TAGS)
    data = export_classifier(classifier, weights_dir)
    # Plain ONNX Runtime with its defaults, as anyone would run it.
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    expected = classifier.probabilities(features)
    for pixels, row in zip(pictures, expected, strict=True):
        (probabilities,) = session.run(None, {"image": pixels})
        assert np.abs(probabilities - row).max() < LARGEST_DIFFERENCE
        np.testing.assert_allclose(ClassifierSession(data).probabilities(pixels), row, atol=LARGEST_DIFFERENCE)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_the_file_alone_gives_the_novelty(
    recipe: Recipe, features: np.ndarray, pictures: list[np.ndarray], weights_dir: Path
) -> None:
    plain, classifier = (train(recipe, features, LABELS, TAGS) for train in (_train, _with_novelty))
    assert classifier.novelty is not None
    data = export_classifier(classifier, weights_dir)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    assert [(value.name, value.type, value.shape) for value in session.get_outputs()] == [
        ("probabilities", "tensor(float)", [3]),
        ("novelty", "tensor(float)", []),
    ]
    expected = classifier.novelties(features)
    assert expected is not None
    assert expected.min() < expected.max()
    for pixels, novelty in zip(pictures, expected, strict=True):
        assert session.run(["novelty"], {"image": pixels})[0] == pytest.approx(novelty, abs=1e-3)
    probabilities, found = ClassifierSession(data).classify(pictures[2])
    assert found == pytest.approx(expected[2], abs=1e-3)
    earlier, unknown = ClassifierSession(export_classifier(plain, weights_dir)).classify(pictures[2])
    assert unknown is None
    np.testing.assert_array_equal(probabilities, earlier)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_the_novelty_is_read_back(recipe: Recipe, weights_dir: Path) -> None:
    features, labels = make_features([4, 4, 4])
    classifier = _with_novelty(recipe, features, labels, TAGS)
    assert classifier.to_npz() != _train(recipe, features, labels, TAGS).to_npz()
    assert read_classifier(export_classifier(classifier, weights_dir)).to_npz() == classifier.to_npz()
    again = Classifier.from_npz(classifier.to_npz())
    assert again.to_npz() == classifier.to_npz()
    np.testing.assert_array_equal(again.novelties(features), classifier.novelties(features))


def test_a_novelty_of_other_views_is_refused(weights_dir: Path) -> None:
    features, labels = make_features([4, 4, 4])
    model = onnx.ModelProto.FromString(export_classifier(_with_novelty(RECIPES[2], features, labels, TAGS), weights_dir))
    means = next(tensor for tensor in model.graph.initializer if tensor.name == "novelty/means")
    means.CopyFrom(onnx.numpy_helper.from_array(np.ones((79, 3), np.float32), means.name))
    with pytest.raises(ArtifactError, match="its novelty is of shape"):
        read_classifier(model)


def test_the_file_says_what_it_is(features: np.ndarray, weights_dir: Path, tmp_path: Path) -> None:
    classifier = _train(RECIPES[0], features, LABELS, TAGS)
    data = export_classifier(classifier, weights_dir)
    assert data == export_classifier(Classifier.from_npz(classifier.to_npz()), weights_dir)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    assert [(value.name, value.type, value.shape) for value in session.get_inputs()] == [
        ("image", "tensor(uint8)", ["height", "width", 3])
    ]
    assert [(value.name, value.type, value.shape) for value in session.get_outputs()] == [
        ("probabilities", "tensor(float)", [3])
    ]
    metadata = session.get_modelmeta().custom_metadata_map
    assert json.loads(metadata["labels"]) == list(TAGS)
    assert "EfficientNet-Lite0: Apache-2.0" in metadata["licences"]
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    assert ClassifierSession(path, threads=1).tags == TAGS


@of_each_recipe
def test_the_classifier_is_read_back_from_its_file(recipe: Recipe, weights_dir: Path) -> None:
    features, labels = make_features([4, 4, 4])
    classifier = _train(recipe, features, labels, TAGS)
    assert read_classifier(export_classifier(classifier, weights_dir)).to_npz() == classifier.to_npz()


def _drop_label(model: onnx.ModelProto) -> None:
    model.metadata_props[0].value = json.dumps(TAGS[:2])


def _rename_view(model: onnx.ModelProto) -> None:
    next(node for node in model.graph.node if node.name == "head/block0").input[0] = "head/unheard.of/unit"


def _refer_to_a_file(model: onnx.ModelProto) -> None:
    onnx.external_data_helper.set_external_data(model.graph.initializer[0], "/etc/hostname")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_drop_label, "its weights are of shape"),
        (_rename_view, "needs 'head/unheard.of/unit', which no earlier node produces"),
        (_refer_to_a_file, "is in another file"),
        (lambda model: model.graph.ClearField("initializer"), "which no earlier node produces"),
        (lambda model: model.ClearField("metadata_props"), "it is not a classifier that this engine exported"),
        (lambda model: model.Clear(), "it is not an ONNX file"),
    ],
)
def test_another_file_is_no_classifier(change: Callable[[onnx.ModelProto], None], said: str, weights_dir: Path) -> None:
    features, labels = make_features([4, 4, 4])
    model = onnx.ModelProto.FromString(export_classifier(_train(RECIPES[2], features, labels, TAGS), weights_dir))
    change(model)
    with pytest.raises(ArtifactError, match=re.escape(said)):
        read_classifier(model.SerializeToString())


def test_bytes_are_no_classifier() -> None:
    with pytest.raises(ArtifactError, match="it is not an ONNX file"):
        read_classifier(b"no model")


def test_a_view_that_this_version_does_not_have_is_refused(weights_dir: Path) -> None:
    features, labels = make_features([4, 4, 4])
    model = onnx.ModelProto.FromString(export_classifier(_train(RECIPES[2], features, labels, TAGS), weights_dir))
    _rename_view(model)
    with pytest.raises(ArtifactError, match=r"it is not a classifier that this engine exported \(KeyError: 'unheard.of'\)"):
        read_classifier(model)


def test_only_what_the_recipe_takes_is_in_the_file(features: np.ndarray, weights_dir: Path) -> None:
    for recipe in RECIPES:
        classifier = _train(recipe, features, LABELS, TAGS)
        model = onnx.ModelProto.FromString(export_classifier(classifier, weights_dir))
        used = {view.source.backbone for view in classifier.views}
        owners = {tensor.name.partition("/")[0] for tensor in model.graph.initializer}
        assert owners & {backbone.name for backbone in BACKBONES} == {backbone.name for backbone in used}
        (licences,) = (entry.value for entry in model.metadata_props if entry.key == "licences")
        assert {backbone for backbone in BACKBONES if f"{backbone.title}: {backbone.licence}" in licences} == used
    assert len(export_classifier(_train(RECIPES[2], features, LABELS, TAGS), weights_dir)) < 1_000_000


def test_without_a_network_that_is_not_required_the_features_are_the_beginning(
    extractor: FeatureExtractor, weights_dir: Path, tmp_path: Path, pictures: list[np.ndarray], features: np.ndarray
) -> None:
    for backbone in REQUIRED:
        for file in weights_dir.glob(f"{backbone.name}-*"):
            (tmp_path / file.name).symlink_to(file)
    fewer = FeatureExtractor(tmp_path)
    assert fewer.networks == REQUIRED
    assert (fewer.key, fewer.dimensions) == (layout_key(REQUIRED), dimensions_of(REQUIRED))
    (found,) = fewer.extract(pictures[2:3])
    np.testing.assert_allclose(found, features[2, : fewer.dimensions], atol=1e-4)
    classifier = _train(RECIPES[0], make_features([3, 3, 3])[0], np.repeat(np.arange(3), 3), TAGS)
    with pytest.raises(WeightsError, match="TinyViT-5M"):
        export_classifier(classifier, tmp_path)


@of_each_recipe
def test_a_mirrored_picture_has_the_mirrored_views(
    recipe: Recipe, extractor: FeatureExtractor, pictures: list[np.ndarray]
) -> None:
    """So that a block, which is the mean of both, is the same for both."""
    picture = pictures[2]
    both = np.stack(extractor.extract([picture, picture[:, ::-1]]))
    for block in recipe.blocks:
        if len(block) == 2:
            here, there = (SLICES[view] for view in block)
            apart = np.linalg.norm(both[0, here] - both[1, there])
            # Resizing rounds to eight bits, and a half always the same way.
            assert apart < 0.01 * np.linalg.norm(both[0, here])
            assert apart < 0.1 * np.linalg.norm(both[0, here] - both[0, there])


def test_the_middle_is_cut_out_of_the_picture(extractor: FeatureExtractor, pictures: list[np.ndarray]) -> None:
    if TINYVIT not in extractor.networks:
        pytest.skip("the weights of a network are not there")
    picture = pictures[3]
    assert picture.shape == (1200, 300, 3)
    changed = picture.copy()
    changed[:180], changed[-180:], changed[:, :45], changed[:, -45:] = 0, 0, 0, 0
    whole, framed, cut = extractor.extract([picture, changed, picture[180:1020, 45:255]])
    middle, plain = (SLICES[subject(TINYVIT, Pooling.MEAN, middle=middle)] for middle in (True, False))
    np.testing.assert_array_equal(whole[middle], framed[middle])
    assert np.abs(whole[plain] - framed[plain]).max() > 0.01
    np.testing.assert_allclose(whole[middle], cut[plain], atol=1e-4)


def test_an_image_has_the_same_features_alone_and_in_company(
    extractor: FeatureExtractor, pictures: list[np.ndarray], features: np.ndarray
) -> None:
    assert features.shape == (len(SIZES), extractor.dimensions)
    assert extractor.dimensions == dimensions_of(extractor.networks)
    assert extractor.extract([]) == []
    alone = extractor.extract(pictures[2:3])[0]
    assert np.abs(alone - features[2]).max() < 1e-4
    same_shape = extractor.extract([pictures[2]] * 7)
    assert all(np.abs(vector - alone).max() < 1e-4 for vector in same_shape)


def test_extractors_of_the_same_weights_have_the_same_key(extractor: FeatureExtractor, weights_dir: Path) -> None:
    assert FeatureExtractor(weights_dir, threads=1).key == extractor.key


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[:1000], lambda data: b"no model"])
def test_a_damaged_file_is_refused(damage: Callable[[bytes], bytes], features: np.ndarray, weights_dir: Path) -> None:
    data = export_classifier(_train(RECIPES[2], features, LABELS, TAGS), weights_dir)
    with pytest.raises(ArtifactError, match="not an ONNX file"):
        ClassifierSession(damage(data))


def test_a_stored_classifier_comes_back() -> None:
    features, labels = make_features([4, 4, 4])
    for recipe in RECIPES:
        classifier = _train(recipe, features, labels, TAGS)
        again = Classifier.from_npz(classifier.to_npz())
        assert again.tags == TAGS
        assert again.views == classifier.views
        np.testing.assert_array_equal(again.probabilities(features), classifier.probabilities(features))


@pytest.mark.parametrize(
    "damage", [lambda data: b"", lambda data: data[: len(data) // 2], lambda data: b"PK\x05\x06" + bytes(18)]
)
def test_a_damaged_stored_classifier_is_refused(damage: Callable[[bytes], bytes]) -> None:
    features, labels = make_features([2, 2, 2])
    with pytest.raises(ArtifactError):
        Classifier.from_npz(damage(_train(RECIPES[0], features, labels, TAGS).to_npz()))


def test_features_of_another_length_are_refused() -> None:
    features, labels = make_features([2, 2, 2])
    classifier = _train(RECIPES[2], features, labels, TAGS)
    with pytest.raises(ValueError, match="features are"):
        classifier.probabilities(features[:, 1:])
