from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from vision_customization.engine.learning import WeightsError, ensure_weights
from vision_customization.engine.learning.pretrained.backbones import BACKBONES, LITE0, REQUIRED, TINYVIT, Backbone
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


def test_a_network_that_is_not_required_may_be_missing(weights_dir: Path, tmp_path: Path) -> None:
    for backbone in REQUIRED:
        for file in weights_dir.glob(f"{backbone.name}-*"):
            (tmp_path / file.name).write_bytes(file.read_bytes())
    assert list(ensure_weights(tmp_path)) == [backbone.name for backbone in REQUIRED]
    with pytest.raises(WeightsError, match=r"TinyViT-5M .* Run `vision-engine weights pull`"):
        ensure_weights(tmp_path, BACKBONES)


@pytest.mark.parametrize("backbone", [backbone for backbone in BACKBONES if not backbone.square], ids=lambda b: b.name)
def test_converted_networks_take_any_size_that_is_a_multiple_of_32(backbone: Backbone, weights_dir: Path) -> None:
    session = onnxruntime.InferenceSession(ensure_weights(weights_dir)[backbone.name], providers=["CPUExecutionProvider"])
    stride8, head = session.run(["stride8", "head"], {"pixels": np.zeros((2, 3, 96, 160), np.float32)})
    assert stride8.shape == (2, backbone.stride8_channels, 12, 20)
    assert head.shape == (2, 1280, 3, 5)
    # ReLU6 bounds what comes out.
    assert 0 <= head.min() < head.max() <= 6


def test_a_converted_vit_sees_what_stands_where(weights_dir: Path) -> None:
    """Its map has rows and columns as the image has: a change at the top right of the image changes that of the map most."""
    weights = ensure_weights(weights_dir).get(TINYVIT.name)
    if weights is None:
        pytest.skip(f"{TINYVIT.title} is not there")
    session = onnxruntime.InferenceSession(weights, providers=["CPUExecutionProvider"])
    plain = np.zeros((1, 3, 224, 224), np.float32)
    changed = plain.copy()
    changed[:, :, :32, -32:] = np.random.default_rng(0).uniform(-1, 1, (3, 32, 32))
    before, after = (session.run(["head"], {"pixels": pixels})[0][0] for pixels in (plain, changed))
    assert before.shape == (TINYVIT.head_channels, 7, 7)
    change = np.abs(after - before).mean(axis=0)
    assert np.unravel_index(change.argmax(), change.shape) == (0, 6)
