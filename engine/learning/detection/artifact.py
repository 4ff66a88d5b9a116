"""A trained detector as one ONNX file, image in, boxes out, and the session that runs it.

The file's last part is non-maximum suppression per tag.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper
from onnxruntime import InferenceSession

from vision_customization.contract.limits import TILES_MAX
from vision_customization.engine.learning.boxes import Detections
from vision_customization.engine.learning.errors import ArtifactError
from vision_customization.engine.learning.onnx_files.checking import IMAGE
from vision_customization.engine.learning.onnx_files.graph import Graph, add_resize
from vision_customization.engine.learning.onnx_files.sessions import ExportedSession, Pixels
from vision_customization.engine.learning.pretrained.nanodet import BINS, DEVIATION_RGB, MEAN_RGB, SLOPE, STRIDES, Weights, walk

BOXES, SCORES, CLASSES = "boxes", "scores", "classes"
TILES = "tiles"

SCORE_LEAST = 0.05
OVERLAP_MOST = 0.6
"""If two boxes of one class overlap more than this, only the one with the higher score stays."""
BOXES_MAX = 1000
"""As many as the contract allows regions in an image of a dataset."""


class _OnnxOperations:
    """Maps are float32 [1, channels, h, w]."""

    def __init__(self, graph: Graph, weights: Weights) -> None:
        self._graph = graph
        self._weights = weights
        self._count = 0

    def _name(self, what: str) -> str:
        self._count += 1
        return f"{what}{self._count}"

    def convolve(self, source: str, layer: str, stride: int = 1) -> str:
        kernel = self._weights[f"{layer}/kernel"]
        names = [
            self._graph.constant(f"{layer}/kernel", np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))),
            self._graph.constant(f"{layer}/bias", self._weights[f"{layer}/bias"]),
        ]
        padding = kernel.shape[0] // 2
        return self._graph.add("Conv", [source, *names], layer, strides=[stride] * 2, pads=[padding] * 4)

    def activate(self, source: str) -> str:
        return self._graph.add("LeakyRelu", [source], f"{source}/activated", alpha=SLOPE)

    def join(self, sources: Sequence[str]) -> str:
        return self._graph.add("Concat", sources, self._name("joined"), axis=1)

    def add(self, first: str, second: str) -> str:
        return self._graph.add("Add", [first, second], self._name("sum"))

    def pool(self, source: str) -> str:
        return self._graph.add("MaxPool", [source], "pooled", kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)

    def double(self, source: str) -> str:
        scales = self._graph.constant("twice", np.array([1, 1, 2, 2], np.float32))
        return self._graph.add("Resize", [source, "", scales], self._name("doubled"), mode="linear")

    def halve(self, source: str) -> str:
        return self._graph.add("AveragePool", [source], self._name("halved"), kernel_shape=[2, 2], strides=[2, 2])


def _add_level(graph: Graph, level: str, stride: int, classes: int) -> tuple[str, str]:
    """Boxes [1, n, 4] in pixels of the resized image, and scores [1, n, k], of one map."""
    prefix = f"level{stride}"
    rows = graph.add("Transpose", [level], f"{prefix}/last", perm=[0, 2, 3, 1])
    flat = graph.add("Reshape", [rows, graph.constant(f"{prefix}/flat", [1, -1, classes + 4 * BINS])], f"{prefix}/rows")
    sizes = graph.constant("parts", [classes, 4 * BINS])
    graph_split = [f"{prefix}/logits", f"{prefix}/distances"]
    graph.add_split(flat, sizes, graph_split, axis=2)
    scores = graph.add("Sigmoid", [graph_split[0]], f"{prefix}/scores")
    bins = graph.add("Reshape", [graph_split[1], graph.constant("bins", [1, -1, 4, BINS])], f"{prefix}/bins")
    shares = graph.add("Softmax", [bins], f"{prefix}/shares", axis=3)
    numbers = graph.constant("numbers", np.arange(BINS, dtype=np.float32).reshape(BINS, 1))
    reach = graph.add("MatMul", [shares, numbers], f"{prefix}/expected")
    reach = graph.add("Mul", [reach, graph.constant(f"{prefix}/stride", float(stride))], f"{prefix}/pixels")
    reach = graph.add("Reshape", [reach, graph.constant("sides", [1, -1, 4])], f"{prefix}/reach")
    signed = graph.add("Mul", [reach, graph.constant("signs", np.array([-1, -1, 1, 1], np.float32))], f"{prefix}/signed")
    middles = _add_middles(graph, level, stride)
    return graph.add("Add", [signed, middles], f"{prefix}/boxes"), scores


def _add_middles(graph: Graph, level: str, stride: int) -> str:
    """float32 [n, 4]: x, y, x, y of each location's centre."""
    prefix = f"level{stride}"
    shape = graph.add("Shape", [level], f"{prefix}/shape", start=2)
    ones = graph.add(
        "ConstantOfShape",
        [shape],
        f"{prefix}/ones",
        value=helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0]),
    )
    axes = []
    for axis in (1, 0):
        index = graph.add("CumSum", [ones, graph.constant(f"axis{axis}of2", np.array(axis, np.int64))], f"{prefix}/count{axis}")
        less = graph.add("Sub", [index, graph.constant("half", 0.5)], f"{prefix}/place{axis}")
        pixels = graph.add("Mul", [less, graph.constant(f"{prefix}/stride", float(stride))], f"{prefix}/middle{axis}")
        axes.append(graph.add("Reshape", [pixels, graph.constant("column", [-1, 1])], f"{prefix}/column{axis}"))
    return graph.add("Concat", [*axes, *axes], f"{prefix}/middles", axis=1)


def export_detector(weights: Weights, tags: Sequence[str], side: int, licences: str, tiles: int = 1) -> bytes:
    """The detector as one ONNX file that any ONNX Runtime runs.

    Input `image` is uint8 [height, width, 3], RGB, upright. Outputs, by falling score: `boxes` float32 [n, 4], left, top, right
    and bottom in pixels of the input, within it; `scores` float32 [n], from 0.05; `classes` int64 [n], positions in the list
    `labels` of `metadata_props`. The same weights give the same bytes.

    With `tiles` N of 2 or more, the detector sees the image enlarged N× in each direction, as if it were cut into N × N tiles,
    but without seams: from any location, the network sees no more than a tile anyway.
    """
    graph = Graph()
    planes = add_resize(graph, IMAGE, side * tiles)
    mean = graph.constant("mean", np.array(MEAN_RGB, np.float32).reshape(1, 3, 1, 1))
    deviation = graph.constant("deviation", np.array(DEVIATION_RGB, np.float32).reshape(1, 3, 1, 1))
    centred = graph.add("Sub", [planes, mean], "pixels/centred")
    pixels = graph.add("Div", [centred, deviation], "pixels")
    levels = walk(_OnnxOperations(graph, weights), pixels)
    parts = [_add_level(graph, level, stride, len(tags)) for level, stride in zip(levels, STRIDES, strict=True)]
    boxes = graph.add("Concat", [box for box, _ in parts], "found/boxes", axis=1)
    scores = graph.add("Concat", [score for _, score in parts], "found/scores", axis=1)
    _add_selection(graph, boxes, scores, planes)
    model = graph.to_model(
        [helper.make_tensor_value_info(IMAGE, TensorProto.UINT8, ["height", "width", 3])],
        [
            helper.make_tensor_value_info(BOXES, TensorProto.FLOAT, ["n", 4]),
            helper.make_tensor_value_info(SCORES, TensorProto.FLOAT, ["n"]),
            helper.make_tensor_value_info(CLASSES, TensorProto.INT64, ["n"]),
        ],
        {"labels": json.dumps(list(tags), ensure_ascii=False), TILES: str(tiles), "licences": licences},
    )
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def _add_selection(graph: Graph, boxes: str, scores: str, planes: str) -> None:
    """Add the suppression per class, the selection of the best remaining boxes, and their conversion to input pixels."""
    by_class = graph.add("Transpose", [scores], "found/by_class", perm=[0, 2, 1])
    limits = [
        graph.constant("boxes.most", [BOXES_MAX]),
        graph.constant("overlap.most", np.array([OVERLAP_MOST], np.float32)),
        graph.constant("score.least", np.array([SCORE_LEAST], np.float32)),
    ]
    chosen = graph.add("NonMaxSuppression", [boxes, by_class, *limits], "kept")  # rows of batch, class, location
    pairs = graph.add("Slice", [chosen, *_bounds(graph, 1, 3)], "kept/pairs")
    first = graph.add("Squeeze", [by_class, graph.constant("axis0", np.array([0], np.int64))], "found/scores_of_classes")
    values = graph.add("GatherND", [first, pairs], "kept/scores")
    count = graph.add("Shape", [values], "kept/count")
    most = graph.add("Min", [count, graph.constant("most", [BOXES_MAX])], "kept/most")
    graph.add_top(values, most, [SCORES, "kept/order"])
    ordered = graph.add("Gather", [pairs, "kept/order"], "kept/ordered", axis=0)
    axis1 = graph.constant("axis1", np.array([1], np.int64))
    classes = graph.add("Slice", [ordered, *_bounds(graph, 0, 1)], "kept/class_column")
    graph.add("Squeeze", [classes, axis1], CLASSES)
    places = graph.add("Slice", [ordered, *_bounds(graph, 1, 2)], "kept/place_column")
    places = graph.add("Squeeze", [places, axis1], "kept/places")
    flat = graph.add("Squeeze", [boxes, graph.constant("axis0", np.array([0], np.int64))], "found/flat")
    kept = graph.add("Gather", [flat, places], "kept/boxes", axis=0)
    sizes = []
    for source, name, start in ((IMAGE, "given", 0), (planes, "seen", 2)):
        size = graph.add("Shape", [source], f"{name}/size", start=start, end=start + 2)
        length = graph.add("Cast", [size], f"{name}/lengths", to=TensorProto.FLOAT)
        swapped = graph.add("Gather", [length, graph.constant("xyxy", [1, 0, 1, 0])], f"{name}/xyxy")
        sizes.append(swapped)
    share = graph.add("Div", [kept, sizes[1]], "kept/share")
    within = graph.add("Clip", [share, graph.constant("nothing", 0.0), graph.constant("everything", 1.0)], "kept/within")
    graph.add("Mul", [within, sizes[0]], BOXES)


def _bounds(graph: Graph, start: int, stop: int) -> list[str]:
    """Starts, ends and axes for slicing columns."""
    return [
        graph.constant(f"column{start}", [start]),
        graph.constant(f"column{stop}", [stop]),
        graph.constant("axis1", np.array([1], np.int64)),
    ]


class DetectorSession(ExportedSession):
    """Runs an exported detector."""

    def __init__(self, onnx: bytes | Path | InferenceSession, threads: int = 2) -> None:
        """Raises ArtifactError if the file is not an exported detector."""
        super().__init__(onnx, threads)
        if missing := {BOXES, SCORES, CLASSES} - {output.name for output in self._session.get_outputs()}:
            raise ArtifactError(f"the model file has no output {', '.join(sorted(missing))}: it is not a detector")
        tiles = self._session.get_modelmeta().custom_metadata_map.get(TILES, "1")
        if tiles not in map(str, range(1, TILES_MAX + 1)):
            raise ArtifactError(
                f"the model file's metadata `{TILES}` is {tiles[:20]!r}, must be an integer from 1 to {TILES_MAX}"
            )
        self.detail = int(tiles)
        """The detail that it needs of an image, for `decode_image`: its `tiles`."""

    def detect(self, pixels: Pixels) -> Detections:
        """uint8 [h, w, 3], RGB → boxes in its pixels."""
        boxes, scores, classes = self._run([BOXES, SCORES, CLASSES], pixels)
        return Detections(boxes, classes, scores)
