"""Converts a downloaded checkpoint of a backbone to ONNX."""

from pathlib import Path

import numpy as np
import onnxruntime

from vision_customization.engine.learning.errors import WeightsError
from vision_customization.engine.learning.pretrained.backbones import Backbone
from vision_customization.engine.learning.pretrained.checkpoint import read_state_dict
from vision_customization.engine.learning.pretrained.efficientnet import HEAD, INPUT, STRIDE8, build_efficientnet_lite
from vision_customization.engine.learning.pretrained.weight_files import find_download

_SIDE = 64


def _check_network(backbone: Backbone, data: bytes) -> None:
    """Run the converted network once, and check its shapes against the table and its activations for plausibility.

    Raises:
        WeightsError: the results are not those of the trained network.
    """
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    ramp = np.linspace(-1, 1, _SIDE, dtype=np.float32)
    pixels = np.stack(np.broadcast_arrays(ramp[:, None], ramp[None, :], ramp[:, None] * ramp[None, :]))[None]
    stride8, head = session.run([STRIDE8, HEAD], {INPUT: pixels.astype(np.float32)})
    expected = [
        (1, backbone.stride8_channels, _SIDE // 8, _SIDE // 8),
        (1, backbone.head_channels, _SIDE // 32, _SIDE // 32),
    ]
    if [stride8.shape, head.shape] != expected:
        raise WeightsError(f"{backbone.title} gives maps of {stride8.shape} and {head.shape}, expected {expected}")
    if not np.isfinite(head).all() or not 0.01 < head.mean() < 3 or not 0.02 < (head > 0).mean() < 0.98:
        raise WeightsError(f"{backbone.title} does not act like a trained network; its tensors may have been read incorrectly")


def convert_backbone(backbone: Backbone, folder: Path) -> bytes:
    """The ONNX file of a checkpoint that is anywhere under `folder`.

    Raises:
        WeightsError: the checkpoint is missing, is not the one in the table, or cannot be converted.
    """
    origin = f"{backbone.title}, from {backbone.package} {backbone.version}"
    try:
        checkpoint = find_download(folder, backbone.file_name, backbone.sha256, origin)
        model = build_efficientnet_lite(read_state_dict(checkpoint), width=backbone.width, depth=backbone.depth)
    except (KeyError, ValueError) as error:
        raise WeightsError(f"the checkpoint of {backbone.title} does not contain that network: {error}") from error
    data: bytes = model.SerializeToString(deterministic=True)
    _check_network(backbone, data)
    return data
