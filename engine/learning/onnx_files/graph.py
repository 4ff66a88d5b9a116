"""ONNX graphs around the networks: resizing before them, pooling after them.

Features for a training and a trained model's file are built from the same nodes, so that both give the same numbers.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from vision_customization.engine.learning.images import ASPECT_ROOT_MAX
from vision_customization.engine.learning.pretrained.efficientnet import INPUT, IR_VERSION, OPSET

_STRIDE = 32


class Graph:
    """Collects nodes and constants; every method returns the name of what it added."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: dict[str, onnx.TensorProto] = {}

    def add(self, operator: str, inputs: Sequence[str], name: str, **attributes: Any) -> str:  # noqa: ANN401 - ONNX attributes
        self._nodes.append(helper.make_node(operator, list(inputs), [name], name=name, **attributes))
        return name

    def add_split(self, source: str, sizes: str, names: Sequence[str], axis: int) -> Sequence[str]:
        """Consecutive parts of `sizes` along an axis."""
        self._nodes.append(helper.make_node("Split", [source, sizes], list(names), name=names[0], axis=axis))
        return names

    def add_top(self, values: str, count: str, names: Sequence[str]) -> Sequence[str]:
        """The `count` greatest values of a vector in falling order, and their positions."""
        self._nodes.append(helper.make_node("TopK", [values, count], list(names), name=names[0]))
        return names

    def constant(self, name: str, value: NDArray[Any] | float | Sequence[int]) -> str:
        array = np.asarray(value, np.float32) if isinstance(value, float) else np.asarray(value)
        self._initializers.setdefault(name, numpy_helper.from_array(array, name))
        return name

    def add_network(self, network: onnx.ModelProto, source: str, tap: str, prefix: str) -> str:
        """Copy the nodes that lead from a network's input to one of its outputs; weights are shared between copies."""
        by_output = {node.output[0]: node for node in network.graph.node}
        needed: set[str] = set()
        open_names = [tap]
        while open_names:
            name = open_names.pop()
            if name in by_output and name not in needed:
                needed.add(name)
                open_names.extend(by_output[name].input)
        weights = {tensor.name: tensor for tensor in network.graph.initializer}
        backbone_name = prefix.split(".", 1)[0]
        for node in network.graph.node:
            if node.output[0] not in needed:
                continue
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            for index, name in enumerate(node.input):
                if name in weights:
                    copy.input[index] = f"{backbone_name}/{name}"
                    if copy.input[index] not in self._initializers:
                        tensor = onnx.TensorProto()
                        tensor.CopyFrom(weights[name])
                        tensor.name = copy.input[index]
                        self._initializers[tensor.name] = tensor
                else:
                    copy.input[index] = source if name == INPUT else f"{prefix}/{name}"
            copy.output[0] = copy.name = f"{prefix}/{node.output[0]}"
            self._nodes.append(copy)
        return f"{prefix}/{tap}"

    def to_model(
        self,
        inputs: Sequence[onnx.ValueInfoProto],
        outputs: Sequence[onnx.ValueInfoProto],
        metadata: Mapping[str, str] | None = None,
    ) -> onnx.ModelProto:
        graph = helper.make_graph(self._nodes, "vision-customization", inputs, outputs, list(self._initializers.values()))
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="vision-customization"
        )
        for key, value in (metadata or {}).items():
            model.metadata_props.add(key=key, value=value)
        return model


def add_middle(graph: Graph, image: str, percent: int) -> str:
    """uint8 [h, w, 3] → uint8 [h′, w′, 3]: the middle `percent` of each side, as much cut off before it as after it."""
    prefix = f"middle{percent}"
    size = graph.add("Shape", [image], f"{prefix}/size", end=2)
    cut = graph.add(
        "Mul", [size, graph.constant(f"{prefix}/margin", np.array([(100 - percent) // 2], np.int64))], f"{prefix}/cut"
    )
    start = graph.add("Div", [cut, graph.constant("hundred", np.array([100], np.int64))], f"{prefix}/start")
    end = graph.add("Sub", [size, start], f"{prefix}/end")
    axes = graph.constant("axes01", np.array([0, 1], np.int64))
    return graph.add("Slice", [image, start, end, axes], f"{prefix}/image")


def add_squash(graph: Graph, image: str, side: int) -> str:
    """uint8 [h, w, 3] → float32 [1, 3, side, side] in 0…255, the aspect ratio not kept."""
    shape = graph.constant(f"squash{side}/sizes", np.array([1, side, side, 3], np.int64))
    return _add_planes(graph, image, shape, f"{image}/squash{side}")


def add_resize(graph: Graph, image: str, side: int) -> str:
    """uint8 [h, w, 3] → float32 [1, 3, H, W] in 0…255: H and W multiples of 32, H · W about side², the aspect ratio kept."""
    prefix = f"resize{side}"
    size = graph.add("Shape", [image], f"{prefix}/size", end=2)
    lengths = graph.add("Cast", [size], f"{prefix}/lengths", to=TensorProto.FLOAT)
    swapped = graph.add("Gather", [lengths, graph.constant("swap", np.array([1, 0], np.int64))], f"{prefix}/swapped")
    root = graph.add("Sqrt", [graph.add("Div", [lengths, swapped], f"{prefix}/ratio")], f"{prefix}/root")
    limits = [graph.constant("root.least", 1 / ASPECT_ROOT_MAX), graph.constant("root.most", ASPECT_ROOT_MAX)]
    bounded = graph.add("Clip", [root, *limits], f"{prefix}/bounded")
    blocks = graph.add("Mul", [bounded, graph.constant(f"{prefix}/blocks", side / _STRIDE)], f"{prefix}/exact")
    rounded = graph.add("Cast", [graph.add("Round", [blocks], f"{prefix}/rounded")], f"{prefix}/whole", to=TensorProto.INT64)
    target = graph.add("Mul", [rounded, graph.constant("stride", np.array([_STRIDE], np.int64))], f"{prefix}/target")
    one = graph.constant("one", np.array([1], np.int64))
    three = graph.constant("three", np.array([3], np.int64))
    shape = graph.add("Concat", [one, target, three], f"{prefix}/sizes", axis=0)
    return _add_planes(graph, image, shape, prefix)


def _add_planes(graph: Graph, image: str, shape: str, prefix: str) -> str:
    """uint8 [h, w, 3], resized to `shape`, int64 [4] → float32 [1, 3, H, W]."""
    page = graph.add("Unsqueeze", [image, graph.constant("axis0", np.array([0], np.int64))], f"{prefix}/page")
    # Eight bits in and out: integer arithmetic, the same on every machine.
    resized = graph.add("Resize", [page, "", "", shape], f"{prefix}/resized", mode="linear", antialias=1)
    floats = graph.add("Cast", [resized], f"{prefix}/floats", to=TensorProto.FLOAT)
    return graph.add("Transpose", [floats], f"{prefix}/planes", perm=[0, 3, 1, 2])
