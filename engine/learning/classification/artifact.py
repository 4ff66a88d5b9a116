"""A trained classifier as one ONNX file, image in, probabilities and novelty out, and the session that runs it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper
from onnxruntime import InferenceSession

from vision_customization.engine.learning.classification.classifier import LENGTH_LEAST, Block, Classifier
from vision_customization.engine.learning.classification.feature_graph import add_planes, add_views, load_networks
from vision_customization.engine.learning.classification.novelty import Novelty
from vision_customization.engine.learning.classification.views import VIEWS, View, passes_of
from vision_customization.engine.learning.errors import ArtifactError
from vision_customization.engine.learning.onnx_files.checking import IMAGE, check_model_file
from vision_customization.engine.learning.onnx_files.graph import Graph
from vision_customization.engine.learning.onnx_files.sessions import ExportedSession, Pixels
from vision_customization.engine.learning.pretrained.backbones import BACKBONES, ensure_weights

PROBABILITIES = "probabilities"
NOVELTY = "novelty"
_SIGMOID = "head/sigmoid"


def _add_head(graph: Graph, classifier: Classifier, vectors: dict[View, str]) -> None:
    parts = []
    axis1 = graph.constant("axis1", np.array([1], np.int64))
    for index, block in enumerate(classifier.blocks):
        mean = graph.constant(f"head/mean{index}", block.mean)
        scale = graph.constant(f"head/scale{index}", block.scale)
        units = []
        for view in block.views:
            prefix = f"head/{view.name}"
            centred = graph.add("Sub", [vectors[view], mean], f"{prefix}/centred")
            scaled = graph.add("Mul", [centred, scale], f"{prefix}/scaled")
            if block.unit_length:
                length = graph.add("ReduceL2", [scaled, axis1], f"{prefix}/length", keepdims=1)
                positive = graph.add("Max", [length, graph.constant("length.least", LENGTH_LEAST)], f"{prefix}/positive")
                scaled = graph.add("Div", [scaled, positive], f"{prefix}/unit")
            units.append(scaled)
        parts.append(graph.add("Mean", units, f"head/block{index}"))
    joined = graph.add("Concat", parts, "head/joined", axis=1)
    weights = graph.constant("head/weights", classifier.weights)
    scores = graph.add("Gemm", [joined, weights, graph.constant("head/bias", classifier.bias)], "head/scores")
    if classifier.thresholds is not None:
        squashed = graph.add("Sigmoid", [scores], _SIGMOID)
    else:
        squashed = graph.add("Softmax", [scores], "head/softmax", axis=1)
    graph.add("Squeeze", [squashed, graph.constant("axis0", np.array([0], np.int64))], PROBABILITIES)
    if classifier.novelty is not None:
        _add_novelty(graph, classifier.novelty, joined)


def _add_novelty(graph: Graph, novelty: Novelty, joined: str) -> None:
    def constant(name: str, value: NDArray[np.float32]) -> str:
        return graph.constant(f"novelty/{name}", value)

    axis1 = graph.constant("axis1", np.array([1], np.int64))
    nothing, everything = graph.constant("nothing", 0.0), graph.constant("everything", 1.0)
    scaled = graph.add("Mul", [joined, constant("scale", novelty.scale)], "novelty/scaled")
    means, offsets = constant("means", 2 * novelty.means.T), constant("offsets", novelty.offsets)
    nearness = graph.add("Gemm", [scaled, means, offsets], "novelty/nearness")
    nearest = graph.add("ReduceMax", [nearness, axis1], "novelty/nearest", keepdims=1)
    length = graph.add("ReduceL2", [scaled, axis1], "novelty/length", keepdims=1)
    square = graph.add("Mul", [length, length], "novelty/square")
    distance = graph.add("Sub", [square, nearest], "novelty/distance")
    beyond = graph.add("Sub", [distance, constant("start", novelty.start)], "novelty/beyond")
    steps = graph.add("Div", [beyond, constant("width", novelty.width)], "novelty/steps")
    parts = graph.add("Clip", [steps, nothing, everything], "novelty/parts")
    share = graph.add("MatMul", [parts, constant("rise", novelty.rise)], "novelty/share")
    bounded = graph.add("Min", [share, everything], "novelty/bounded")
    graph.add("Squeeze", [bounded, graph.constant("axis0", np.array([0], np.int64))], NOVELTY)


def _licences(classifier: Classifier) -> str:
    used = {view.source.backbone.name for view in classifier.views}
    return "; ".join(
        f"{backbone.title}: {backbone.licence}, {backbone.source}" for backbone in BACKBONES if backbone.name in used
    )


def export_classifier(classifier: Classifier, weights_dir: Path) -> bytes:
    """The classifier as one ONNX file that any ONNX Runtime runs.

    Input `image` is uint8 [height, width, 3], RGB, upright; output `probabilities` is float32 [k]; output `novelty`, if the
    classifier has it, is a float32 scalar, 0…1 (see `Novelty`). The file contains only the networks and passes that the
    classifier uses; `metadata_props` has `labels` (a JSON list, in the order of the output) and `licences`, and of a
    multi-label classifier also `thresholds` (a JSON list of numbers in the same order). The same classifier gives the same
    bytes.

    Raises:
        WeightsError: a network that the classifier uses is not in `weights_dir`.
    """
    passes = passes_of(classifier.views)
    networks = load_networks(ensure_weights(weights_dir, dict.fromkeys(run.backbone for run in passes)))
    graph = Graph()
    planes = add_planes(graph, IMAGE, passes)
    vectors = add_views(graph, planes, classifier.views, networks)
    _add_head(graph, classifier, vectors)
    metadata = {"labels": json.dumps(classifier.tags, ensure_ascii=False), "licences": _licences(classifier)}
    if classifier.thresholds is not None:
        metadata["thresholds"] = json.dumps(classifier.thresholds)
    model = graph.to_model(
        [helper.make_tensor_value_info(IMAGE, TensorProto.UINT8, ["height", "width", 3])],
        [
            helper.make_tensor_value_info(PROBABILITIES, TensorProto.FLOAT, [len(classifier.tags)]),
            *([helper.make_tensor_value_info(NOVELTY, TensorProto.FLOAT, [])] if classifier.novelty is not None else []),
        ],
        metadata,
    )
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def read_classifier(model: bytes | ModelProto) -> Classifier:
    """The classifier in a file of `export_classifier`. Its networks are not checked: the caller must refuse features of another
    layout than this version's.

    Raises:
        ArtifactError: the file is not an exported classifier.
    """
    if isinstance(model, bytes):
        model = check_model_file(model)
    try:
        tensors = {tensor.name: tensor for tensor in model.graph.initializer}
        inputs = {node.name: list(node.input) for node in model.graph.node}
        blocks = tuple(
            _read_block(inputs[name], tensors[f"head/mean{index}"], tensors[f"head/scale{index}"])
            for index, name in enumerate(inputs["head/joined"])
        )
        tags, thresholds = _read_metadata(model, independent=_SIGMOID in inputs)
        weights, bias = (numpy_helper.to_array(tensors[f"head/{name}"]) for name in ("weights", "bias"))
        novelty = _read_novelty(tensors) if NOVELTY in inputs else None
        classifier = Classifier(tags, blocks, weights, bias, thresholds, novelty)
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise ArtifactError(f"it is not a classifier that this engine exported ({type(error).__name__}: {error})") from error
    expected = (sum(len(block.mean) for block in classifier.blocks), len(classifier.tags))
    if weights.shape != expected or bias.shape != expected[1:]:
        raise ArtifactError(f"its weights are of shape {weights.shape}, but its views and labels need {expected}")
    if novelty is not None and novelty.means.shape[1:] != expected[:1]:
        raise ArtifactError(f"its novelty is of shape {novelty.means.shape}, but its views need {expected[:1]}")
    return classifier


def _read_novelty(tensors: Mapping[str, TensorProto]) -> Novelty:
    scale, means, *line = (
        numpy_helper.to_array(tensors[f"novelty/{name}"]) for name in ("scale", "means", "start", "width", "rise")
    )
    return Novelty(scale, np.ascontiguousarray(means.T / 2, np.float32), *line)


def _read_metadata(model: ModelProto, *, independent: bool) -> tuple[tuple[str, ...], tuple[float, ...] | None]:
    """The tags and the thresholds, which only a model with independent probabilities has."""
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    if len(metadata) < len(model.metadata_props):
        raise ValueError("its metadata has an entry twice")
    tags = tuple(json.loads(metadata["labels"]))
    thresholds = read_thresholds(metadata, len(tags))
    if (thresholds is not None) != independent:
        raise ValueError("only independent probabilities have thresholds")
    return tags, thresholds


def read_thresholds(metadata: Mapping[str, str], tags: int) -> tuple[float, ...] | None:
    """The thresholds in the metadata of a multi-label classifier's file; None for another classifier's.

    Raises:
        ValueError, TypeError, RecursionError: they are not one number in 0…1 for each tag.
    """
    if "thresholds" not in metadata:
        return None
    thresholds = json.loads(metadata["thresholds"])
    if len(thresholds) != tags or not all(0 <= threshold <= 1 for threshold in thresholds):
        raise ValueError(f"its thresholds are not {tags} numbers from 0 to 1")
    return tuple(map(float, thresholds))


def _read_block(vectors: Sequence[str], mean: TensorProto, scale: TensorProto) -> Block:
    """A block of the head, from the names of the vectors that it averages: `head/<view>/unit` or `head/<view>/scaled`."""
    by_name = {view.name: view for view in VIEWS}
    names = [vector.removeprefix("head/").rpartition("/") for vector in vectors]
    (kind,) = {kind for _, _, kind in names}
    views = tuple(by_name[name] for name, _, _ in names)
    block = Block(views, kind == "unit", numpy_helper.to_array(mean), numpy_helper.to_array(scale))
    for array in (block.mean, block.scale):
        if array.shape != (views[0].dimensions,):
            raise ValueError(f"{array.shape} numbers for {views[0].name}")
    return block


class ClassifierSession(ExportedSession):
    """Runs an exported classifier. `thresholds`: as in `Classifier`."""

    def __init__(self, onnx: bytes | Path | InferenceSession, threads: int = 2) -> None:
        """Raises ArtifactError if the file is not an exported classifier."""
        super().__init__(onnx, threads)
        outputs = {output.name for output in self._session.get_outputs()}
        if PROBABILITIES not in outputs:
            raise ArtifactError(f"the model file has no output {PROBABILITIES}: it is not a classifier")
        self._outputs = [PROBABILITIES, NOVELTY] if NOVELTY in outputs else [PROBABILITIES]
        try:
            self.thresholds = read_thresholds(self._session.get_modelmeta().custom_metadata_map, len(self.tags))
        except (ValueError, TypeError, RecursionError) as error:
            raise ArtifactError(f"the model file has no usable thresholds ({error})") from error

    def classify(self, pixels: Pixels) -> tuple[NDArray[np.float32], float | None]:
        """uint8 [h, w, 3], RGB → the probabilities, float32 [k], and the novelty, 0…1; None if the file has no such output."""
        probabilities, *novelty = self._run(self._outputs, pixels)
        return probabilities, novelty[0].item() if novelty else None

    def probabilities(self, pixels: Pixels) -> NDArray[np.float32]:
        """uint8 [h, w, 3], RGB → float32 [k]."""
        return self.classify(pixels)[0]
