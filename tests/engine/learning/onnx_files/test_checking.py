"""What a model file may hold: everything that this engine exports, and nothing that a hostile file would need."""

import lzma
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper

from tests.engine.learning.onnx_files.hostile import HOSTILE, Change
from vision_customization.engine.learning import ArtifactError, Classifier, export_classifier, read_classifier
from vision_customization.engine.learning.classification.artifact import ClassifierSession
from vision_customization.engine.learning.classification.recipes import RECIPES, Recipe
from vision_customization.engine.learning.classification.training import fit_classifier
from vision_customization.engine.learning.classification.views import DIMENSIONS
from vision_customization.engine.learning.detection.artifact import DetectorSession, export_detector
from vision_customization.engine.learning.onnx_files.checking import check_model_file
from vision_customization.engine.learning.opening import open_model
from vision_customization.engine.learning.pretrained.nanodet import with_classes
from vision_customization.engine.learning.pretrained.nanodet_weights import read_nanodet

EXPORTED = sorted(Path(__file__).with_name("exported").glob("*.onnx.xz"))
"""A model of each exporter that there has been, by the commit that brought it. Their weights are zeros."""


def classifier_of(recipe: Recipe) -> Classifier:
    labels = np.repeat(np.arange(2), 3)
    features = np.abs(np.random.default_rng(0).standard_normal((len(labels), DIMENSIONS))).astype(np.float32)
    return fit_classifier(recipe, features, labels, ("cat", "dög"), sharpness=2.0)


@pytest.fixture(scope="module")
def classifier(weights_dir: Path) -> bytes:
    """The smallest there is."""
    return export_classifier(classifier_of(next(recipe for recipe in RECIPES if recipe.name == "texture")), weights_dir)


@pytest.fixture(scope="module")
def detector(weights_dir: Path) -> bytes:
    return detector_with(weights_dir, ("cat", "dög"), 1)


def detector_with(weights_dir: Path, tags: Sequence[str], tiles: int) -> bytes:
    weights = with_classes(read_nanodet(weights_dir), tags, np.random.default_rng(0))
    return export_detector(weights, tags, 320, "licences", tiles)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_every_classifier_of_this_engine_is_accepted(recipe: Recipe, weights_dir: Path) -> None:
    check_model_file(export_classifier(classifier_of(recipe), weights_dir))


@pytest.mark.parametrize("tiles", [1, 2, 3, 4])
@pytest.mark.parametrize("tags", [1, 2, 500])
def test_every_detector_of_this_engine_is_accepted(weights_dir: Path, tags: int, tiles: int) -> None:
    check_model_file(detector_with(weights_dir, [f"tag {index}" for index in range(tags)], tiles))


def test_there_are_models_of_former_exporters() -> None:
    assert len(EXPORTED) == 13


@pytest.mark.parametrize("file", EXPORTED, ids=lambda file: file.name.partition(".")[0])
def test_every_model_that_this_engine_ever_exported_is_accepted(file: Path, tmp_path: Path) -> None:
    model = tmp_path / "model.onnx"
    model.write_bytes(lzma.decompress(file.read_bytes()))
    assert open_model(model, 1).tags == ("cat", "dog")


@pytest.mark.parametrize("base", ["classifier", "detector"])
@pytest.mark.parametrize(("change", "said"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_file_is_refused_before_it_is_opened(
    change: Change, said: str, base: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = onnx.ModelProto.FromString(request.getfixturevalue(base))
    change(model)
    file = tmp_path / "model.onnx"
    file.write_bytes(model.SerializeToString())
    monkeypatch.setattr("onnxruntime.InferenceSession", opened)
    opens: list[Callable[[], object]] = [
        lambda: check_model_file(file.read_bytes()),
        lambda: open_model(file, 1),
        lambda: (DetectorSession if base == "detector" else ClassifierSession)(file.read_bytes()),
    ]
    for open_it in opens:
        with pytest.raises(ArtifactError, match=said) as refused:
            open_it()
        assert len(str(refused.value)) < 300


def opened(*_: object, **__: object) -> None:
    raise AssertionError("a runtime has opened the file")


@pytest.mark.parametrize("data", [b"", b"onnx", b"\x00" * 1000, b"\x12\x05ORTM!" * 100], ids=["empty", "text", "zeros", "ort"])
def test_what_is_not_onnx_is_refused(data: bytes) -> None:
    with pytest.raises(ArtifactError):
        check_model_file(data)


def test_a_file_in_the_runtime_s_own_format_is_not_opened_as_one(classifier: bytes, tmp_path: Path) -> None:
    """ONNX Runtime takes what has `ORTM` as bytes 4 to 7 for its own format, which nobody has checked."""
    # producer_name is field 2; what comes first in a file has no meaning of its own.
    disguised = b"\x12\x06\x00\x00ORTM" + classifier
    assert disguised[4:8] == b"ORTM"
    check_model_file(disguised)
    file = tmp_path / "model.onnx"
    file.write_bytes(disguised)
    assert open_model(file, 1).tags == ("cat", "dög"), "it is read as the ONNX file that was checked"


def graph_of(nodes: Sequence[NodeProto], constants: Mapping[str, object]) -> bytes:
    """A model whose nodes are all allowed, from `image` to `probabilities`."""
    graph = helper.make_graph(
        nodes,
        "composed",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["h", "w", 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
    model.metadata_props.add(key="labels", value='["a"]')
    data: bytes = model.SerializeToString()
    return data


def test_nothing_is_computed_while_a_file_is_opened() -> None:
    """The runtime would fold what it knows beforehand: here 16384 × 16384 numbers, from a shape that is a constant."""
    data = graph_of(
        [
            helper.make_node("Cast", ["image"], ["floats"], to=TensorProto.FLOAT),
            helper.make_node("Reshape", ["floats", "sides"], ["square"]),
            helper.make_node("Shape", ["square"], ["size"]),
            helper.make_node("ConstantOfShape", ["size"], ["filled"]),
            helper.make_node("MatMul", ["filled", "filled"], ["product"]),
            helper.make_node("ReduceMean", ["product"], ["probabilities"], keepdims=0),
        ],
        {"sides": [16_384, 16_384]},
    )
    check_model_file(data)
    before, begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    session = ClassifierSession(data, threads=1)
    assert time.monotonic() - begun < 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000, "kilobytes"
    with pytest.raises(Exception, match=r"reshape|Reshape"):
        session.probabilities(np.zeros((50, 50, 3), np.uint8))


PARTS = {
    "nodes": b"\x0a\x00",
    "initializers": b"\x2a\x00",
    "inputs": b"\x5a\x00",
    "unknown fields": b"\xa0\x06\x01",
}


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS.keys())
def test_many_empty_parts_are_refused_before_they_are_parsed(part: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them would take some hundred bytes."""
    monkeypatch.setattr("vision_customization.engine.learning.onnx_files.checking.ModelProto.FromString", opened, raising=False)
    graph = part * 1_000_000
    with pytest.raises(ArtifactError, match="it has more than 100,000 parts"):
        check_model_file(b"\x3a" + encoded_varint(len(graph)) + graph)


def encoded_varint(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


@pytest.mark.parametrize("data", [b"\x3a", b"\x3a\xff", b"\x3a\x05ab", b"\x0f", b"\x00\x00", b"\xff" * 20], ids=repr)
def test_bytes_that_are_not_a_message_are_refused(data: bytes) -> None:
    with pytest.raises(ArtifactError, match="it is not an ONNX file"):
        check_model_file(data)


def test_labels_that_are_nested_deeply_are_refused(classifier: bytes) -> None:
    model = onnx.ModelProto.FromString(classifier)
    next(entry for entry in model.metadata_props if entry.key == "labels").value = "[" * 100_000
    with pytest.raises(ArtifactError, match="RecursionError"):
        read_classifier(model.SerializeToString())
    with pytest.raises(ArtifactError, match="has no labels"):
        ClassifierSession(model.SerializeToString())


def test_a_model_that_asks_for_much_memory_fails_alone(classifier: bytes) -> None:
    """What no check of a file can foresee: the arena of all sessions is bounded."""
    from vision_customization.engine.learning.onnx_files.sessions import MEMORY_MAX_BYTES, open_session

    length = MEMORY_MAX_BYTES // 4 + 1
    nodes = [
        helper.make_node("Shape", ["image"], ["size"]),
        helper.make_node("Mul", ["size", "times"], ["large"]),
        helper.make_node("ConstantOfShape", ["large"], ["much"]),
        helper.make_node("ReduceSum", ["much"], ["sum"], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "bomb",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n"])],
        [helper.make_tensor_value_info("sum", TensorProto.FLOAT, [])],
        [numpy_helper.from_array(np.array([length], np.int64), "times")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
    session = open_session(model.SerializeToString(), 1)
    with pytest.raises(Exception, match="Available memory"):
        session.run(None, {"image": np.zeros(1, np.float32)})
    assert ClassifierSession(classifier).probabilities(np.zeros((50, 50, 3), np.uint8)).sum() == pytest.approx(1)
