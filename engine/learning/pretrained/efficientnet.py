"""EfficientNet-Lite as an ONNX graph, built from the tensors of a checkpoint.

The networks are those of Tan & Le, "EfficientNet" (ICML 2019), in their "Lite" form: ReLU6 everywhere, no
squeeze-and-excitation, stem (32) and head (1280) not scaled, first and last stage not repeated. They are fully
convolutional: the input's sides may be any multiples of 32.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

_BATCH_NORM_EPSILON = 1e-3
_STEM_CHANNELS = 32
_HEAD_CHANNELS = 1280

OPSET = 19
IR_VERSION = 9
INPUT = "pixels"
"""float32 [n, 3, height, width], RGB, (x − 127) / 128."""
HEAD = "head"
"""float32 [n, 1280, height / 32, width / 32]: the last feature map."""
STRIDE8 = "stride8"
"""float32 [n, c, height / 8, width / 8]: the expanded map at the entry of the stage that goes on to stride 16."""


@dataclass(frozen=True)
class _Stage:
    repeats: int
    kernel: int
    stride: int
    expansion: int
    channels: int


_STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)


@dataclass(frozen=True)
class _Block:
    kernel: int
    stride: int
    expansion: int
    channels_in: int
    channels_out: int
    enters_stride16: bool


def _scale_channels(channels: int, width: float) -> int:
    """Rounded to a multiple of 8, but never down by more than a tenth (EfficientNet's own rounding)."""
    scaled = channels * width
    rounded = max(8, int(scaled + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * scaled else rounded


def _lay_out_blocks(width: float, depth: float) -> list[_Block]:
    blocks = []
    channels_in = _STEM_CHANNELS
    for index, stage in enumerate(_STAGES):
        repeats = stage.repeats if index in (0, len(_STAGES) - 1) else math.ceil(stage.repeats * depth)
        channels_out = _scale_channels(stage.channels, width)
        for repeat in range(repeats):
            stride = stage.stride if repeat == 0 else 1
            blocks.append(_Block(stage.kernel, stride, stage.expansion, channels_in, channels_out, index == 3 and repeat == 0))
            channels_in = channels_out
    return blocks


class _Network:
    """Collects nodes and weights during one walk through the network from input to head."""

    def __init__(self, tensors: Mapping[str, NDArray[Any]]) -> None:
        self._tensors = tensors
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def add_constant(self, name: str, value: NDArray[Any]) -> str:
        self.initializers.append(numpy_helper.from_array(value, name))
        return name

    def convolve(
        self,
        source: str,
        conv: str,
        norm: str,
        shape: tuple[int, ...],
        *,
        stride: int = 1,
        groups: int = 1,
        activate: bool = True,
    ) -> str:
        """Convolution with its batch norm folded in, then ReLU6 if `activate`."""
        kernel = np.asarray(self._tensors[f"{conv}.weight"], np.float64)
        if kernel.shape != shape:
            raise ValueError(f"{conv}.weight is {kernel.shape}, expected {shape}")
        scale = self._tensors[f"{norm}.weight"] / np.sqrt(
            self._tensors[f"{norm}.running_var"].astype(np.float64) + _BATCH_NORM_EPSILON
        )
        bias = self._tensors[f"{norm}.bias"] - self._tensors[f"{norm}.running_mean"] * scale
        weight_name = self.add_constant(f"{conv}.weight", (kernel * scale[:, None, None, None]).astype(np.float32))
        bias_name = self.add_constant(f"{conv}.bias", bias.astype(np.float32))
        linear = f"{conv}.linear" if activate else conv
        self.nodes.append(
            helper.make_node(
                "Conv",
                [source, weight_name, bias_name],
                [linear],
                name=linear,
                group=groups,
                strides=[stride, stride],
                kernel_shape=list(shape[2:]),
                auto_pad="SAME_UPPER",
            )
        )
        if activate:
            self.nodes.append(helper.make_node("Clip", [linear, "relu6.low", "relu6.high"], [conv], name=conv))
        return conv

    def add_block(self, source: str, index: int, block: _Block) -> str:
        prefix = f"_blocks.{index}"
        wide = block.channels_in * block.expansion
        value = source
        if block.expansion != 1:
            value = self.convolve(value, f"{prefix}._expand_conv", f"{prefix}._bn0", (wide, block.channels_in, 1, 1))
            if block.enters_stride16:
                self.nodes.append(helper.make_node("Identity", [value], [STRIDE8], name=STRIDE8))
        depthwise = (wide, 1, block.kernel, block.kernel)
        value = self.convolve(value, f"{prefix}._depthwise_conv", f"{prefix}._bn1", depthwise, stride=block.stride, groups=wide)
        value = self.convolve(
            value, f"{prefix}._project_conv", f"{prefix}._bn2", (block.channels_out, wide, 1, 1), activate=False
        )
        if block.stride == 1 and block.channels_in == block.channels_out:
            total = f"{prefix}.sum"
            self.nodes.append(helper.make_node("Add", [value, source], [total], name=total))
            value = total
        return value


def build_efficientnet_lite(tensors: Mapping[str, NDArray[Any]], *, width: float, depth: float) -> onnx.ModelProto:
    """The network without its classifier, batch norms folded into the convolutions.

    Args:
        tensors: the checkpoint's state dict.
        width, depth: the variant's factors (Lite0: 1.0 and 1.0; Lite2: 1.1 and 1.2).

    Returns:
        A model with input `pixels` and outputs `stride8` and `head`; their shapes are documented at those constants.

    Raises:
        KeyError, ValueError: the tensors are not this variant's.
    """
    network = _Network(tensors)
    network.add_constant("relu6.low", np.array(0, np.float32))
    network.add_constant("relu6.high", np.array(6, np.float32))
    value = network.convolve(INPUT, "_conv_stem", "_bn0", (_STEM_CHANNELS, 3, 3, 3), stride=2)
    blocks = _lay_out_blocks(width, depth)
    for index, block in enumerate(blocks):
        value = network.add_block(value, index, block)
    value = network.convolve(value, "_conv_head", "_bn1", (_HEAD_CHANNELS, blocks[-1].channels_out, 1, 1))
    network.nodes.append(helper.make_node("Identity", [value], [HEAD], name=HEAD))
    stride8_channels = next(block.channels_in * block.expansion for block in blocks if block.enters_stride16)
    graph = helper.make_graph(
        network.nodes,
        "efficientnet-lite",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["n", 3, "height", "width"])],
        [
            helper.make_tensor_value_info(STRIDE8, TensorProto.FLOAT, ["n", stride8_channels, None, None]),
            helper.make_tensor_value_info(HEAD, TensorProto.FLOAT, ["n", _HEAD_CHANNELS, None, None]),
        ],
        network.initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="")
    onnx.checker.check_model(model, full_check=True)
    return model
