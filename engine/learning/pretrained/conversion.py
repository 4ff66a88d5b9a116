"""Converts a downloaded checkpoint of a backbone to ONNX."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from vision_customization.engine.learning.errors import WeightsError
from vision_customization.engine.learning.pretrained.backbones import LITE0, LITE2, TINYVIT, Backbone
from vision_customization.engine.learning.pretrained.checkpoint import read_state_dict
from vision_customization.engine.learning.pretrained.efficientnet import HEAD, INPUT, STRIDE8, build_efficientnet_lite
from vision_customization.engine.learning.pretrained.tinyvit import build_tiny_vit, read_tensors
from vision_customization.engine.learning.pretrained.weight_files import find_download

_SIDE = 64
"""Of the image that tries a network which takes any size."""


def _efficientnet_lite(checkpoint: Path, *, width: float, depth: float) -> onnx.ModelProto:
    return build_efficientnet_lite(read_state_dict(checkpoint), width=width, depth=depth)


_BUILDERS: Mapping[Backbone, Callable[[Path], onnx.ModelProto]] = {
    LITE0: partial(_efficientnet_lite, width=1.0, depth=1.0),
    LITE2: partial(_efficientnet_lite, width=1.1, depth=1.2),
    TINYVIT: lambda checkpoint: build_tiny_vit(read_tensors(checkpoint)),
}


def _check_network(backbone: Backbone, data: bytes) -> None:
    """Run the converted network once, and check its shapes against the table and its activations for plausibility.

    Raises:
        WeightsError: the results are not those of the trained network.
    """
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    side = backbone.side if backbone.square else _SIDE
    ramp = np.linspace(-1, 1, side, dtype=np.float32)
    pixels = np.stack(np.broadcast_arrays(ramp[:, None], ramp[None, :], ramp[:, None] * ramp[None, :]))[None]
    expected = {HEAD: (1, backbone.head_channels, side // 32, side // 32)}
    if backbone.stride8_channels:
        expected[STRIDE8] = (1, backbone.stride8_channels, side // 8, side // 8)
    maps = dict(zip(expected, session.run(list(expected), {INPUT: pixels.astype(np.float32)}), strict=True))
    found = {name: values.shape for name, values in maps.items()}
    if found != expected:
        raise WeightsError(f"{backbone.title} gives maps of {found}, expected {expected}")
    head = maps[HEAD]
    if not np.isfinite(head).all() or not 0.01 < np.abs(head).mean() < 3 or not 0.02 < (head > 0).mean() < 0.98:
        raise WeightsError(f"{backbone.title} does not act like a trained network; its tensors may have been read incorrectly")


def convert_backbone(backbone: Backbone, folder: Path) -> bytes:
    """The ONNX file of a checkpoint that is anywhere under `folder`.

    Raises:
        WeightsError: the checkpoint is missing, is not the one in the table, or cannot be converted.
    """
    origin = f"{backbone.title}, from {backbone.package} {backbone.version}"
    try:
        model = _BUILDERS[backbone](find_download(folder, backbone.file_name, backbone.sha256, origin))
    except (KeyError, ValueError) as error:
        raise WeightsError(f"the checkpoint of {backbone.title} does not contain that network: {error}") from error
    data: bytes = model.SerializeToString(deterministic=True)
    _check_network(backbone, data)
    return data
