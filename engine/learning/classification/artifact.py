"""A trained classifier as one ONNX file, image in, probabilities out, and the session that runs it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper
from onnxruntime import InferenceSession

from vision_customization.engine.learning.classification.classifier import LENGTH_LEAST, Block, Classifier
from vision_customization.engine.learning.classification.feature_graph import add_planes, add_views, load_networks
from vision_customization.engine.learning.classification.views import VIEWS, View, passes_of
from vision_customization.engine.learning.errors import ArtifactError
from vision_customization.engine.learning.onnx_files.checking import IMAGE, check_model_file
from vision_customization.engine.learning.onnx_files.graph import Graph
from vision_customization.engine.learning.onnx_files.sessions import ExportedSession, Pixels
from vision_customization.engine.learning.pretrained.backbones import BACKBONES, ensure_weights

PROBABILITIES = "probabilities"
_SIGMOID = "head/sigmoid"


def _add_head(graph: Graph, classifier: Classifier, vectors: dict[View, str]) -> str:
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
    return graph.add("Squeeze", [squashed, graph.constant("axis0", np.array([0], np.int64))], PROBABILITIES)


def _licences(classifier: Classifier) -> str:
    used = {view.source.backbone.name for view in classifier.views}
    return "; ".join(
        f"{backbone.title}: {backbone.licence}, {backbone.source}" for backbone in BACKBONES if backbone.name in used
    )


def export_classifier(classifier: Classifier, weights_dir: Path) -> bytes:
    """The classifier as one ONNX file that any ONNX Runtime runs.

    Input `image` is uint8 [height, width, 3], RGB, upright; output `probabilities` is float32 [k]. The file contains only the
    networks and passes that the classifier uses; `metadata_props` has `labels` (a JSON list, in the order of the output)
    and `licences`, and of a multi-label classifier also `thresholds` (a JSON list of numbers in the same order). The same
    classifier gives the same bytes.

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
        [helper.make_tensor_value_info(PROBABILITIES, TensorProto.FLOAT, [len(classifier.tags)])],
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
        classifier = Classifier(tags, blocks, weights, bias, thresholds)
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise ArtifactError(f"it is not a classifier that this engine exported ({type(error).__name__}: {error})") from error
    expected = (sum(len(block.mean) for block in classifier.blocks), len(classifier.tags))
    if weights.shape != expected or bias.shape != expected[1:]:
        raise ArtifactError(f"its weights are of shape {weights.shape}, but its views and labels need {expected}")
    return classifier


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
        if PROBABILITIES not in {output.name for output in self._session.get_outputs()}:
            raise ArtifactError(f"the model file has no output {PROBABILITIES}: it is not a classifier")
        try:
            self.thresholds = read_thresholds(self._session.get_modelmeta().custom_metadata_map, len(self.tags))
        except (ValueError, TypeError, RecursionError) as error:
            raise ArtifactError(f"the model file has no usable thresholds ({error})") from error

    def probabilities(self, pixels: Pixels) -> NDArray[np.float32]:
        """uint8 [h, w, 3], RGB → float32 [k]."""
        result: NDArray[np.float32] = self._run([PROBABILITIES], pixels)[0]
        return result
