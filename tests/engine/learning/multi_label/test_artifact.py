import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from tests.support.two_objects import TAGS, draw_scene, tags_of
from vision_customization.engine.learning import (
    ArtifactError,
    Classifier,
    ClassifierSession,
    FeatureExtractor,
    export_classifier,
    read_classifier,
    train_multi_label,
)
from vision_customization.engine.learning.onnx_files.checking import check_model_file


@pytest.fixture(scope="module")
def classifier(extractor: FeatureExtractor) -> Classifier:
    features = np.stack(extractor.extract([np.asarray(draw_scene(seed)) for seed in range(12)]))
    present = np.array([[tag in tags_of(seed) for tag in TAGS] for seed in range(12)])
    return train_multi_label(features, present, TAGS).classifier


@pytest.fixture(scope="module")
def exported(classifier: Classifier, weights_dir: Path) -> bytes:
    return export_classifier(classifier, weights_dir)


def test_the_file_gives_the_numbers_of_the_features(
    classifier: Classifier, exported: bytes, extractor: FeatureExtractor
) -> None:
    # Plain ONNX Runtime with its defaults, as anyone would run it.
    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    for seed in range(100, 104):
        pixels = np.asarray(draw_scene(seed, 150 + seed))
        features = np.stack(extractor.extract([pixels]))
        expected, novelties = classifier.probabilities(features)[0], classifier.novelties(features)
        assert novelties is not None
        for probabilities, novelty in (session.run(None, {"image": pixels}), ClassifierSession(exported).classify(pixels)):
            np.testing.assert_allclose(probabilities, expected, atol=1e-5)
            assert novelty == pytest.approx(novelties[0], abs=1e-3)


def test_the_thresholds_go_along(classifier: Classifier, exported: bytes) -> None:
    metadata = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"]).get_modelmeta().custom_metadata_map
    assert json.loads(metadata["labels"]) == list(TAGS)
    assert tuple(json.loads(metadata["thresholds"])) == classifier.thresholds
    assert ClassifierSession(exported).thresholds == classifier.thresholds
    again = read_classifier(check_model_file(exported))
    assert again.to_npz() == classifier.to_npz()


@pytest.mark.parametrize(
    ("thresholds", "said"),
    [
        (None, "only independent probabilities have thresholds"),
        ("[0.5, 0.5]", "its thresholds are not 3 numbers from 0 to 1"),
        ("[0.5, 0.5, 1.5]", "its thresholds are not 3 numbers from 0 to 1"),
        ("[0.5, 0.5, NaN]", "its thresholds are not 3 numbers from 0 to 1"),
        ('["a", 0.5, 0.5]', "TypeError"),
        ("7", "TypeError"),
    ],
)
def test_a_file_with_other_thresholds_is_refused(exported: bytes, thresholds: str | None, said: str) -> None:
    model = onnx.ModelProto.FromString(exported)
    kept = [entry for entry in model.metadata_props if entry.key != "thresholds"]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    if thresholds is not None:
        model.metadata_props.add(key="thresholds", value=thresholds)
    with pytest.raises(ArtifactError, match=said):
        read_classifier(model)
    if thresholds is not None:
        with pytest.raises(ArtifactError, match="the model file has no usable thresholds"):
            ClassifierSession(model.SerializeToString())
