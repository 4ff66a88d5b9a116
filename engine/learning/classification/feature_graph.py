"""The graph nodes that compute an image's features: passes through the networks, then pooling."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from vision_customization.engine.learning.classification.views import (
    CENTRE_SIGMA,
    MIDDLE_PERCENT,
    Pass,
    Pooling,
    View,
    passes_of,
)
from vision_customization.engine.learning.onnx_files.checking import IMAGE
from vision_customization.engine.learning.onnx_files.graph import Graph, add_middle, add_resize, add_squash

PLANES = "planes"


def _add_pass(graph: Graph, planes: str, run: Pass, network: onnx.ModelProto) -> str:
    prefix = run.name
    centred = graph.add("Sub", [planes, graph.constant("grey", 127.0)], f"{prefix}/centred")
    source = graph.add("Mul", [centred, graph.constant(f"contrast{run.contrast:g}", run.contrast / 128)], f"{prefix}/pixels")
    if run.mirrored:
        bounds = [
            graph.constant("last", np.array([-1], np.int64)),
            graph.constant("before", np.array([np.iinfo(np.int64).min], np.int64)),
            graph.constant("axis3", np.array([3], np.int64)),
            graph.constant("back", np.array([-1], np.int64)),
        ]
        source = graph.add("Slice", [source, *bounds], f"{prefix}/mirrored")
    return graph.add_network(network, source, run.tap, prefix)


def _add_gaussian(graph: Graph, size: str, index: int, prefix: str) -> str:
    """exp(−½ ((i + ½) / n − ½)² / σ²) for the n places along one side of a map."""
    axis = graph.add("Gather", [size, graph.constant(f"number{index}", np.array(index, np.int64))], f"{prefix}/n{index}")
    zero = graph.constant("zero", np.array(0, np.int64))
    step = graph.constant("unit", np.array(1, np.int64))
    places = graph.add("Range", [zero, axis, step], f"{prefix}/places{index}")
    middles = graph.add(
        "Add",
        [graph.add("Cast", [places], f"{prefix}/floats{index}", to=TensorProto.FLOAT), graph.constant("half", 0.5)],
        f"{prefix}/middles{index}",
    )
    length = graph.add("Cast", [axis], f"{prefix}/length{index}", to=TensorProto.FLOAT)
    share = graph.add("Div", [middles, length], f"{prefix}/share{index}")
    offset = graph.add("Sub", [share, graph.constant("half", 0.5)], f"{prefix}/offset{index}")
    square = graph.add("Mul", [offset, offset], f"{prefix}/square{index}")
    exponent = graph.add("Mul", [square, graph.constant("falloff", -0.5 / CENTRE_SIGMA**2)], f"{prefix}/exponent{index}")
    return graph.add("Exp", [exponent], f"{prefix}/gaussian{index}")


def _add_centre_weights(graph: Graph, feature_map: str, prefix: str) -> str:
    """float32 [n, h · w, 1], summing to one: the Gaussian around the centre times each location's norm."""
    size = graph.add("Shape", [feature_map], f"{prefix}/size")
    rows = _add_gaussian(graph, size, 2, prefix)
    columns = _add_gaussian(graph, size, 3, prefix)
    column = graph.add("Unsqueeze", [rows, graph.constant("axis1", np.array([1], np.int64))], f"{prefix}/rows")
    around = graph.add("Mul", [column, columns], f"{prefix}/around")
    norms = graph.add(
        "ReduceL2", [feature_map, graph.constant("axis1", np.array([1], np.int64))], f"{prefix}/norms", keepdims=0
    )
    # A featureless map has norms of 0: the small constant leaves only the Gaussian.
    positive = graph.add("Add", [norms, graph.constant("tiny", 1e-6)], f"{prefix}/positive")
    product = graph.add("Mul", [positive, around], f"{prefix}/product")
    flat = graph.add("Reshape", [product, graph.constant("flat", np.array([0, -1, 1], np.int64))], f"{prefix}/flat")
    total = graph.add("ReduceSum", [flat, graph.constant("axis1", np.array([1], np.int64))], f"{prefix}/total", keepdims=1)
    return graph.add("Div", [flat, total], f"{prefix}/weights")


def _add_pooling(graph: Graph, feature_map: str, view: View) -> str:
    prefix = view.name
    if view.pooling is not Pooling.CENTRE:
        axes = graph.constant("plane", np.array([2, 3], np.int64))
        mean = graph.add("ReduceMean", [feature_map, axes], f"{prefix}/mean", keepdims=1)
        if view.pooling is Pooling.MEAN:
            return graph.add("Flatten", [mean], prefix, axis=1)
        deviation = graph.add("Sub", [feature_map, mean], f"{prefix}/deviation")
        # The root of the sum of squares, divided by the root of their count: one pass less over the map than with their mean.
        length = graph.add("ReduceL2", [deviation, axes], f"{prefix}/deviation_length", keepdims=0)
        size = graph.add("Shape", [feature_map], f"{prefix}/size", start=2)
        places = graph.add(
            "Cast", [graph.add("ReduceProd", [size], f"{prefix}/count")], f"{prefix}/places", to=TensorProto.FLOAT
        )
        return graph.add("Div", [length, graph.add("Sqrt", [places], f"{prefix}/root")], prefix)
    weights = _add_centre_weights(graph, feature_map, prefix)
    rows = graph.add("Reshape", [feature_map, graph.constant("rows", np.array([0, 0, -1], np.int64))], f"{prefix}/map")
    pooled = graph.add("MatMul", [rows, weights], f"{prefix}/pooled")
    return graph.add("Squeeze", [pooled, graph.constant("axis2", np.array([2], np.int64))], prefix)


def add_planes(graph: Graph, image: str, passes: Iterable[Pass]) -> dict[str, str]:
    """Resize `image`, uint8 [h, w, 3], to what the passes see: by `Pass.planes`, the name of float32 [1, 3, H, W] in 0…255."""
    planes: dict[str, str] = {}
    for run in passes:
        if run.planes in planes:
            continue
        source = add_middle(graph, image, MIDDLE_PERCENT) if run.middle else image
        add = add_squash if run.backbone.square else add_resize
        planes[run.planes] = add(graph, source, run.backbone.side)
    return planes


def add_views(
    graph: Graph, planes: Mapping[str, str], views: tuple[View, ...], networks: Mapping[str, onnx.ModelProto]
) -> dict[View, str]:
    """Add the nodes that compute the views from the resized images.

    Args:
        planes: by `Pass.planes`, the name of the resized images, float32 [n, 3, H, W] in 0…255.
        networks: by backbone name, the converted network.

    Returns:
        The name of each view's vectors, float32 [n, dimensions].
    """
    maps = {run: _add_pass(graph, planes[run.planes], run, networks[run.backbone.name]) for run in passes_of(views)}
    return {view: _add_pooling(graph, maps[view.source], view) for view in views}


def resize_model(run: Pass) -> onnx.ModelProto:
    """`image` uint8 [h, w, 3] → `planes` float32 [1, 3, H, W] in 0…255: what the pass sees before it is mirrored."""
    graph = Graph()
    graph.add("Identity", [add_planes(graph, IMAGE, [run])[run.planes]], PLANES)
    return graph.to_model(
        [helper.make_tensor_value_info(IMAGE, TensorProto.UINT8, ["height", "width", 3])],
        [helper.make_tensor_value_info(PLANES, TensorProto.FLOAT, [1, 3, None, None])],
    )


def network_model(
    run: Pass, poolings: Iterable[Pooling], network: onnx.ModelProto, *, resizes: bool = False
) -> onnx.ModelProto:
    """`planes` float32 [n, 3, H, W] in 0…255 → for each pooling, by its name, float32 [n, channels]. One that `resizes` takes
    `image` uint8 [h, w, 3] instead, and n is 1."""
    graph = Graph()
    feature_map = _add_pass(graph, add_planes(graph, IMAGE, [run])[run.planes] if resizes else PLANES, run, network)
    outputs = []
    for pooling in poolings:
        graph.add("Identity", [_add_pooling(graph, feature_map, View(run, pooling))], pooling.value)
        outputs.append(helper.make_tensor_value_info(pooling.value, TensorProto.FLOAT, ["n", run.channels]))
    if resizes:
        return graph.to_model([helper.make_tensor_value_info(IMAGE, TensorProto.UINT8, ["height", "width", 3])], outputs)
    return graph.to_model([helper.make_tensor_value_info(PLANES, TensorProto.FLOAT, ["n", 3, "height", "width"])], outputs)


def load_networks(paths: Mapping[str, Path]) -> dict[str, onnx.ModelProto]:
    return {name: onnx.load(path) for name, path in paths.items()}
