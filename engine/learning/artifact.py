"""A trained classifier as one ONNX file, image in, probabilities out, and the session that runs it."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper

from engine.learning.backbones import BACKBONES, ensure_weights
from engine.learning.classifier import LENGTH_LEAST, Classifier
from engine.learning.errors import ArtifactError
from engine.learning.features import Pixels, open_session
from engine.learning.graph import Graph, add_resize, add_views, load_networks
from engine.learning.views import View, passes_of

IMAGE = "image"
PROBABILITIES = "probabilities"


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
    softmax = graph.add("Softmax", [scores], "head/softmax", axis=1)
    return graph.add("Squeeze", [softmax, graph.constant("axis0", np.array([0], np.int64))], PROBABILITIES)


def _licences(classifier: Classifier) -> str:
    used = {view.source.backbone.name for view in classifier.views}
    return "; ".join(
        f"{backbone.title}: {backbone.licence}, {backbone.source}" for backbone in BACKBONES if backbone.name in used
    )


def export_classifier(classifier: Classifier, weights_dir: Path) -> bytes:
    """The classifier as one ONNX file that any ONNX Runtime runs.

    Input `image` is uint8 [height, width, 3], RGB, upright; output `probabilities` is float32 [k]. The file holds only the
    networks and passes that the classifier takes; `metadata_props` holds `labels` (a JSON list, in the order of the output)
    and `licences`. The same classifier gives the same bytes.

    Raises:
        WeightsError: the converted networks are not in `weights_dir`.
    """
    networks = load_networks(ensure_weights(weights_dir))
    graph = Graph()
    backbones = dict.fromkeys(run.backbone for run in passes_of(classifier.views))
    planes = {backbone.name: add_resize(graph, IMAGE, backbone.side) for backbone in backbones}
    vectors = add_views(graph, planes, classifier.views, networks)
    _add_head(graph, classifier, vectors)
    model = graph.to_model(
        [helper.make_tensor_value_info(IMAGE, TensorProto.UINT8, ["height", "width", 3])],
        [helper.make_tensor_value_info(PROBABILITIES, TensorProto.FLOAT, [len(classifier.tags)])],
        {"labels": json.dumps(classifier.tags, ensure_ascii=False), "licences": _licences(classifier)},
    )
    data: bytes = model.SerializeToString(deterministic=True)
    return data


class ClassifierSession:
    """Runs an exported classifier. Safe to call from several threads; each call uses at most `threads` of them."""

    def __init__(self, onnx: bytes | Path, threads: int = 2) -> None:
        """Raises ArtifactError where the file is no exported classifier."""
        try:
            data = onnx.read_bytes() if isinstance(onnx, Path) else onnx
            self._session = open_session(data, threads)
            metadata = self._session.get_modelmeta().custom_metadata_map
            self.tags: Sequence[str] = tuple(json.loads(metadata["labels"]))
        except Exception as error:
            raise ArtifactError(f"the model file cannot be run: {error}") from error

    def probabilities(self, pixels: Pixels) -> NDArray[np.float32]:
        """uint8 [h, w, 3], RGB → float32 [k]."""
        result: NDArray[np.float32] = self._session.run([PROBABILITIES], {IMAGE: np.ascontiguousarray(pixels)})[0]
        return result
