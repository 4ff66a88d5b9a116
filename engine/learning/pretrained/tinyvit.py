"""TinyViT as an ONNX graph, built from the tensors of a published ONNX file.

The network is that of Wu et al., "TinyViT: Fast Pretraining Distillation for Small Vision Transformers" (ECCV 2022): two
convolutions, two MBConv blocks, then three stages of window attention, each entered by a stride of two. It has no head.

Only the tensors are taken from the file, whose graph was traced for one input and is four times as long.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from vision_customization.engine.learning.errors import WeightsError
from vision_customization.engine.learning.pretrained.efficientnet import HEAD, INPUT, IR_VERSION, OPSET

_EXPANSION = 4
"""Of the MBConv blocks and of the perceptrons."""
_NORM_EPSILON = 1e-5
_MEAN_RGB = (0.485, 0.456, 0.406)
_DEVIATION_RGB = (0.229, 0.224, 0.225)
"""Of ImageNet's pixels in 0…1: what the network was trained with."""


@dataclass(frozen=True)
class Stage:
    """`window` is the side of a window, in places of the stage's map, whose side it divides."""

    channels: int
    blocks: int
    window: int


@dataclass(frozen=True)
class Variant:
    """`side` is that of the square image in pixels, `stem` the width of the first map and `heads_width` that of an attention
    head."""

    side: int
    stem: int
    convolutions: int
    stages: tuple[Stage, ...]
    heads_width: int


TINY_VIT_5M = Variant(
    side=224,
    stem=64,
    convolutions=2,
    stages=(Stage(128, 2, 7), Stage(160, 6, 14), Stage(320, 2, 7)),
    heads_width=32,
)


def read_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """The tensors of the published file by the names that they have in PyTorch, such as `stages_1.blocks.0.attn.qkv.bias`.

    The file's batch norms are folded into its convolutions, whose tensors are known by their nodes only, as are the matrices.

    Returns:
        float32 each: convolutions [out, in, h, w], matrices `….weight` [in, out].

    Raises:
        WeightsError: it is not an ONNX file.
    """
    try:
        graph = onnx.load(path, load_external_data=False).graph
    except DecodeError as error:
        raise WeightsError(f"{path.name} is not an ONNX file: {error}") from error
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    tensors = {name.removeprefix("model."): array for name, array in arrays.items() if name.startswith("model.")}
    for node in graph.node:
        module = node.name.removeprefix("/model/").rpartition("/")[0].replace("/", ".").replace("blocks.blocks.", "blocks.")
        if node.op_type == "Conv":
            module = module.removesuffix(".conv")
            tensors |= {f"{module}.weight": arrays[node.input[1]], f"{module}.bias": arrays[node.input[2]]}
        elif node.op_type == "MatMul" and node.input[1] in arrays:
            tensors[f"{module}.weight"] = arrays[node.input[1]]
    return tensors


def offsets(window: int) -> NDArray[np.int64]:
    """int64 [window², window²]: for each two places of a window, the position in the table of attention biases: rows apart ·
    window + columns apart."""
    rows, columns = np.divmod(np.arange(window * window), window)
    apart: NDArray[np.int64] = np.abs(rows[:, None] - rows) * window + np.abs(columns[:, None] - columns)
    return apart


class _Network:
    """Collects nodes and weights during one walk through the network from input to head."""

    def __init__(self, tensors: Mapping[str, NDArray[Any]]) -> None:
        self._tensors = tensors
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[str, onnx.TensorProto] = {}

    def constant(self, name: str, value: object) -> str:
        array = np.array(value, order="C")
        array = array.astype(np.float32) if array.dtype.kind == "f" else array
        self.initializers.setdefault(name, numpy_helper.from_array(array, name))
        return name

    def add(self, operator: str, inputs: list[str], name: str, **attributes: Any) -> str:  # noqa: ANN401 - ONNX attributes
        self.nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def weight(self, name: str, *shape: int) -> str:
        found = self._tensors[name].shape
        if found != shape:
            raise ValueError(f"{name} is {found}, expected {shape}")
        return self.constant(name, self._tensors[name])

    def transpose(self, source: str, name: str, *order: int) -> str:
        return self.add("Transpose", [source], name, perm=list(order))

    def reshape(self, source: str, name: str, *shape: int) -> str:
        text = "x".join(map(str, shape))
        return self.add("Reshape", [source, self.constant(f"shape.{text}", np.array(shape, np.int64))], name)

    def activate(self, source: str, prefix: str) -> str:
        """GELU: x · ½ · (1 + erf(x / √2)), which a runtime recognises and computes in one pass."""
        share = self.add("Div", [source, self.constant("root2", 2.0**0.5)], f"{prefix}.scaled")
        error = self.add("Erf", [share], f"{prefix}.erf")
        gate = self.add("Add", [error, self.constant("one", 1.0)], f"{prefix}.gate")
        gated = self.add("Mul", [source, gate], f"{prefix}.gated")
        return self.add("Mul", [gated, self.constant("half", 0.5)], f"{prefix}.gelu")

    def normalise(self, source: str, prefix: str, channels: int, axis: int) -> str:
        weights = [self.weight(f"{prefix}.{name}", channels) for name in ("weight", "bias")]
        return self.add("LayerNormalization", [source, *weights], prefix, axis=axis, epsilon=_NORM_EPSILON)

    def multiply(self, source: str, prefix: str, wide_in: int, wide_out: int) -> str:
        product = self.add("MatMul", [source, self.weight(f"{prefix}.weight", wide_in, wide_out)], f"{prefix}.product")
        return self.add("Add", [product, self.weight(f"{prefix}.bias", wide_out)], prefix)

    def convolve(self, source: str, prefix: str, wide_in: int, wide_out: int, *, side: int = 1, stride: int = 1) -> str:
        """A convolution of `side` × `side`; of each channel alone if that is not 1 and `wide_in` is 1."""
        weights = [
            self.weight(f"{prefix}.weight", wide_out, wide_in, side, side),
            self.weight(f"{prefix}.bias", wide_out),
        ]
        return self.add(
            "Conv",
            [source, *weights],
            prefix,
            kernel_shape=[side, side],
            strides=[stride, stride],
            pads=[side // 2] * 4,
            group=wide_out if wide_in == 1 else 1,
        )

    def convolve_thrice(self, source: str, prefix: str, widths: tuple[int, int, int], stride: int = 1) -> str:
        """1 × 1, each channel 3 × 3, 1 × 1, with activations between them."""
        wide_in, wide, wide_out = widths
        value = self.activate(self.convolve(source, f"{prefix}.conv1", wide_in, wide), f"{prefix}.act1")
        value = self.activate(self.convolve(value, f"{prefix}.conv2", 1, wide, side=3, stride=stride), f"{prefix}.act2")
        return self.convolve(value, f"{prefix}.conv3", wide, wide_out)

    def nearness(self, prefix: str, heads: int, window: int) -> str:
        """The attention biases of each two places, float32 [heads, window², window²].

        A lookup in the table at run time would save 5 of 26 MB, and takes a sixth of the time of the network.
        """
        name = f"{prefix}.attention_biases"
        table = self._tensors[name]
        if table.shape != (heads, window**2):
            raise ValueError(f"{name} is {table.shape}, expected {(heads, window**2)}")
        return self.constant(name, table[:, offsets(window)])

    def attend(self, source: str, prefix: str, stage: Stage, heads_width: int) -> str:
        """Attention of the places of each window to each other.

        Args:
            source: float32 [windows, window², channels].
        """
        channels, places, heads = stage.channels, stage.window**2, stage.channels // heads_width
        value = self.multiply(self.normalise(source, f"{prefix}.norm", channels, 2), f"{prefix}.qkv", channels, 3 * channels)
        value = self.reshape(value, f"{prefix}.heads", -1, places, heads, 3, heads_width)
        value = self.transpose(value, f"{prefix}.parts", 3, 0, 2, 1, 4)
        query, key, content = (
            self.add("Gather", [value, self.constant(f"number{index}", np.array(index, np.int64))], f"{prefix}.{name}", axis=0)
            for index, name in enumerate(("query", "key", "content"))
        )
        scaled = self.add("Mul", [query, self.constant("scale", heads_width**-0.5)], f"{prefix}.scaled")
        alike = self.add("MatMul", [scaled, self.transpose(key, f"{prefix}.turned", 0, 1, 3, 2)], f"{prefix}.alike")
        scores = self.add("Add", [alike, self.nearness(prefix, heads, stage.window)], f"{prefix}.scores")
        shares = self.add("Softmax", [scores], f"{prefix}.shares", axis=3)
        value = self.transpose(self.add("MatMul", [shares, content], f"{prefix}.mixed"), f"{prefix}.back", 0, 2, 1, 3)
        value = self.reshape(value, f"{prefix}.joined", -1, places, channels)
        return self.multiply(value, f"{prefix}.proj", channels, channels)

    def add_block(self, source: str, prefix: str, stage: Stage, side: int, heads_width: int) -> str:
        """Attention within windows, then a convolution of each channel, then a perceptron at each place.

        Args:
            source: float32 [n, channels, side, side].
        """
        channels, window, across = stage.channels, stage.window, side // stage.window
        places = self.transpose(source, f"{prefix}.places", 0, 2, 3, 1)
        value = self.reshape(places, f"{prefix}.cut", -1, across, window, across, window, channels)
        value = self.transpose(value, f"{prefix}.windows", 0, 1, 3, 2, 4, 5)
        value = self.reshape(value, f"{prefix}.inside", -1, window * window, channels)
        value = self.attend(value, f"{prefix}.attn", stage, heads_width)
        value = self.reshape(value, f"{prefix}.outside", -1, across, across, window, window, channels)
        value = self.transpose(value, f"{prefix}.rows", 0, 1, 3, 2, 4, 5)
        value = self.reshape(value, f"{prefix}.pasted", -1, side, side, channels)
        value = self.transpose(self.add("Add", [places, value], f"{prefix}.attended"), f"{prefix}.map", 0, 3, 1, 2)
        value = self.convolve(value, f"{prefix}.local_conv", 1, channels, side=3)
        places = self.transpose(value, f"{prefix}.local", 0, 2, 3, 1)
        value = self.normalise(places, f"{prefix}.mlp.norm", channels, 3)
        value = self.multiply(value, f"{prefix}.mlp.fc1", channels, _EXPANSION * channels)
        value = self.activate(value, f"{prefix}.mlp.act")
        value = self.multiply(value, f"{prefix}.mlp.fc2", _EXPANSION * channels, channels)
        return self.transpose(self.add("Add", [places, value], f"{prefix}.sum"), prefix, 0, 3, 1, 2)


def build_tiny_vit(tensors: Mapping[str, NDArray[Any]], variant: Variant = TINY_VIT_5M) -> onnx.ModelProto:
    """The network without a classifier.

    Args:
        tensors: as `read_tensors` returns them.

    Returns:
        A model with input `pixels`, as every backbone's, but always `variant.side` wide and high; and output `head`, float32
        [n, channels, side / 32, side / 32]: the last feature map.

    Raises:
        KeyError, ValueError: the tensors are not this variant's.
    """
    network = _Network(tensors)
    # From (x − 127) / 128 to ImageNet's normalisation. It can't be folded into a convolution, which pads with zeros.
    mean, deviation = (np.array(values)[:, None, None] for values in (_MEAN_RGB, _DEVIATION_RGB))
    value = network.add("Mul", [INPUT, network.constant("input.scale", 128 / 255 / deviation)], "input.scaled")
    value = network.add("Add", [value, network.constant("input.shift", (127 / 255 - mean) / deviation)], "input")
    stem = variant.stem
    value = network.activate(network.convolve(value, "patch_embed.conv1", 3, stem // 2, side=3, stride=2), "patch_embed.act")
    value = network.convolve(value, "patch_embed.conv2", stem // 2, stem, side=3, stride=2)
    for index in range(variant.convolutions):
        prefix = f"stages_0.blocks.{index}"
        inner = network.convolve_thrice(value, prefix, (stem, _EXPANSION * stem, stem))
        value = network.activate(network.add("Add", [value, inner], f"{prefix}.sum"), f"{prefix}.act3")
    channels, side = stem, variant.side // 4
    for number, stage in enumerate(variant.stages, start=1):
        widths = (channels, stage.channels, stage.channels)
        value = network.convolve_thrice(value, f"stages_{number}.downsample", widths, stride=2)
        channels, side = stage.channels, side // 2
        for index in range(stage.blocks):
            value = network.add_block(value, f"stages_{number}.blocks.{index}", stage, side, variant.heads_width)
    network.add("Identity", [value], HEAD)
    graph = helper.make_graph(
        network.nodes,
        "tiny-vit",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["n", 3, variant.side, variant.side])],
        [helper.make_tensor_value_info(HEAD, TensorProto.FLOAT, ["n", channels, side, side])],
        list(network.initializers.values()),
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="")
    onnx.checker.check_model(model, full_check=True)
    return model
