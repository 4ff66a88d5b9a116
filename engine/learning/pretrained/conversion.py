"""Converts the downloaded checkpoints to ONNX, once: `python -m` this module, `--from FOLDER --to WEIGHTS_DIR`."""

import argparse
import sys
from pathlib import Path

import numpy as np
import onnxruntime

from vision_customization.engine.learning.errors import WeightsError
from vision_customization.engine.learning.pretrained import nanodet_weights
from vision_customization.engine.learning.pretrained.backbones import BACKBONES, Backbone
from vision_customization.engine.learning.pretrained.checkpoint import read_state_dict
from vision_customization.engine.learning.pretrained.efficientnet import HEAD, INPUT, STRIDE8, build_efficientnet_lite
from vision_customization.engine.learning.pretrained.weight_files import find_download, is_kept, keep

_SIDE = 64


def _check_network(backbone: Backbone, data: bytes) -> None:
    """Run the converted network once: shapes as the table says, and activations of a trained network.

    Raises:
        WeightsError: it does not compute what it should.
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
        raise WeightsError(f"{backbone.title} does not act like a trained network: were its tensors read rightly?")


def convert_backbone(backbone: Backbone, folder: Path, weights_dir: Path) -> bool:
    """Convert one checkpoint found anywhere under `folder`; False where that was done before.

    Raises:
        WeightsError: the checkpoint is missing, is not the one the table names, or does not convert.
    """
    target = weights_dir / backbone.weights_file
    if is_kept(target):
        return False
    origin = f"{backbone.title}, from {backbone.package} {backbone.version}"
    try:
        checkpoint = find_download(folder, backbone.file_name, backbone.sha256, origin)
        model = build_efficientnet_lite(read_state_dict(checkpoint), width=backbone.width, depth=backbone.depth)
    except (KeyError, ValueError) as error:
        raise WeightsError(f"the checkpoint of {backbone.title} does not hold that network: {error}") from error
    data = model.SerializeToString(deterministic=True)
    _check_network(backbone, data)
    keep(target, data)
    return True


def convert_detector(folder: Path, weights_dir: Path) -> bool:
    """The same for the detector's network."""
    target = weights_dir / nanodet_weights.WEIGHTS_FILE
    if is_kept(target):
        return False
    keep(target, nanodet_weights.convert_nanodet(folder))
    return True


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m vision_customization.engine.learning.pretrained.conversion", description=__doc__
    )
    parser.add_argument(
        "--from", dest="folder", type=Path, required=True, help="folder that holds the .pth files, at any depth"
    )
    parser.add_argument("--to", dest="weights_dir", type=Path, required=True, help="where the converted networks go")
    options = parser.parse_args(arguments)
    try:
        for backbone in BACKBONES:
            state = "converted" if convert_backbone(backbone, options.folder, options.weights_dir) else "already there"
            print(f"{backbone.title}: {state} ({backbone.licence}, {backbone.source})")
        state = "converted" if convert_detector(options.folder, options.weights_dir) else "already there"
        print(f"{nanodet_weights.TITLE}: {state} ({nanodet_weights.LICENCE}, {nanodet_weights.SOURCE})")
    except WeightsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
