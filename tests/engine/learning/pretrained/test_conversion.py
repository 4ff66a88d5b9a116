from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from vision_customization.engine.learning import WeightsError, ensure_weights
from vision_customization.engine.learning.pretrained.backbones import BACKBONES, LITE0
from vision_customization.engine.learning.pretrained.conversion import convert_backbone
from vision_customization.engine.learning.pretrained.efficientnet import build_efficientnet_lite


def test_missing_weights_name_the_command_that_fetches_them(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"EfficientNet-Lite0 .* Run `vision-engine weights pull`"):
        ensure_weights(tmp_path)


def test_damaged_weights_are_noticed(weights_dir: Path, tmp_path: Path) -> None:
    for path in weights_dir.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    damaged = tmp_path / LITE0.weights_file
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"\0")
    with pytest.raises(WeightsError, match="damaged"):
        ensure_weights(tmp_path)


def test_a_checkpoint_of_another_digest_is_refused(tmp_path: Path) -> None:
    (tmp_path / LITE0.file_name).write_bytes(b"another file")
    with pytest.raises(WeightsError, match="expected 579344248a93e230"):
        convert_backbone(LITE0, tmp_path)


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"efficientnet-lite0-57934424\.pth .* is not under"):
        convert_backbone(LITE0, tmp_path)


def test_tensors_of_another_network_are_refused() -> None:
    tensors = {"_conv_stem.weight": np.zeros((8, 3, 3, 3), np.float32)}
    with pytest.raises(ValueError, match=r"_conv_stem\.weight is \(8, 3, 3, 3\), expected \(32, 3, 3, 3\)"):
        build_efficientnet_lite(tensors, width=1.0, depth=1.0)


@pytest.mark.parametrize("backbone", BACKBONES, ids=lambda backbone: backbone.name)
def test_converted_networks_take_any_size_that_is_a_multiple_of_32(backbone: object, weights_dir: Path) -> None:
    session = onnxruntime.InferenceSession(ensure_weights(weights_dir)[backbone.name], providers=["CPUExecutionProvider"])  # type: ignore[attr-defined]
    stride8, head = session.run(["stride8", "head"], {"pixels": np.zeros((2, 3, 96, 160), np.float32)})
    assert stride8.shape == (2, backbone.stride8_channels, 12, 20)  # type: ignore[attr-defined]
    assert head.shape == (2, 1280, 3, 5)
    # ReLU6 bounds what comes out.
    assert 0 <= head.min() < head.max() <= 6
