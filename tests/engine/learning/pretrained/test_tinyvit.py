"""TinyViT's graph against the same network written down once more, plainly, with NumPy."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper, save
from scipy.special import erf, softmax

from vision_customization.engine.learning.errors import WeightsError
from vision_customization.engine.learning.pretrained.tinyvit import (
    TINY_VIT_5M,
    Stage,
    Variant,
    build_tiny_vit,
    offsets,
    read_tensors,
)

Array = NDArray[np.float32]

SMALL = Variant(side=64, stem=6, convolutions=1, stages=(Stage(8, 2, 4), Stage(12, 1, 4), Stage(16, 1, 2)), heads_width=4)
"""Windows beside each other, one window as large as the map, and stages of different widths."""


def made(variant: Variant) -> dict[str, Array]:
    """Random tensors of a variant."""
    random = np.random.default_rng(0)
    tensors: dict[str, Array] = {}

    def weights(name: str, *shape: int) -> None:
        fan = max(1, int(np.prod(shape[1:])))
        tensors[f"{name}.weight"] = (random.standard_normal(shape) / fan**0.5).astype(np.float32)

    def layer(name: str, *shape: int, wide: int) -> None:
        weights(name, *shape)
        tensors[f"{name}.bias"] = (0.2 * random.standard_normal(wide)).astype(np.float32)

    def convolution(name: str, wide_in: int, wide_out: int, side: int) -> None:
        layer(name, wide_out, wide_in, side, side, wide=wide_out)

    def thrice(name: str, wide_in: int, wide: int, wide_out: int) -> None:
        convolution(f"{name}.conv1", wide_in, wide, 1)
        convolution(f"{name}.conv2", 1, wide, 3)
        convolution(f"{name}.conv3", wide, wide_out, 1)

    stem = channels = variant.stem
    convolution("patch_embed.conv1", 3, stem // 2, 3)
    convolution("patch_embed.conv2", stem // 2, stem, 3)
    for index in range(variant.convolutions):
        thrice(f"stages_0.blocks.{index}", stem, 4 * stem, stem)
    for number, stage in enumerate(variant.stages, start=1):
        wide = stage.channels
        thrice(f"stages_{number}.downsample", channels, wide, wide)
        channels = wide
        for index in range(stage.blocks):
            name = f"stages_{number}.blocks.{index}"
            for norm in ("attn.norm", "mlp.norm"):
                layer(f"{name}.{norm}", wide, wide=wide)
            layer(f"{name}.attn.qkv", wide, 3 * wide, wide=3 * wide)
            layer(f"{name}.attn.proj", wide, wide, wide=wide)
            heads = wide // variant.heads_width
            tensors[f"{name}.attn.attention_biases"] = random.standard_normal((heads, stage.window**2)).astype(np.float32)
            convolution(f"{name}.local_conv", 1, wide, 3)
            layer(f"{name}.mlp.fc1", wide, 4 * wide, wide=4 * wide)
            layer(f"{name}.mlp.fc2", 4 * wide, wide, wide=wide)
    return tensors


class Plain:
    """The network on one image, [channels, rows, columns]; as in the paper and in timm's `tiny_vit.py`."""

    def __init__(self, tensors: dict[str, Array], variant: Variant) -> None:
        self.tensors, self.variant = tensors, variant

    def head(self, pixels: Array) -> Array:
        """`pixels`: RGB, 0…255."""
        mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
        x = (pixels / 255 - mean[:, None, None]) / deviation[:, None, None]
        x = self.convolved(gelu(self.convolved(x, "patch_embed.conv1", 2)), "patch_embed.conv2", 2)
        for index in range(self.variant.convolutions):
            x = gelu(x + self.thrice(x, f"stages_0.blocks.{index}"))
        for number, stage in enumerate(self.variant.stages, start=1):
            x = self.thrice(x, f"stages_{number}.downsample", 2)
            for index in range(stage.blocks):
                x = self.block(x, f"stages_{number}.blocks.{index}", stage)
        return x

    def convolved(self, x: Array, name: str, stride: int = 1) -> Array:
        kernel, bias = self.tensors[f"{name}.weight"], self.tensors[f"{name}.bias"]
        side = kernel.shape[2]
        padded = np.pad(x, ((0, 0), (side // 2, side // 2), (side // 2, side // 2)))
        around = sliding_window_view(padded, (side, side), (1, 2))[:, ::stride, ::stride]
        alone = kernel.shape[1] == 1
        result = np.einsum("crsij,cij->crs", around, kernel[:, 0]) if alone else np.einsum("crsij,ocij->ors", around, kernel)
        return result + bias[:, None, None]

    def thrice(self, x: Array, name: str, stride: int = 1) -> Array:
        x = gelu(self.convolved(gelu(self.convolved(x, f"{name}.conv1")), f"{name}.conv2", stride))
        return self.convolved(x, f"{name}.conv3")

    def block(self, x: Array, name: str, stage: Stage) -> Array:
        attended = np.empty_like(x)
        for top in range(0, x.shape[1], stage.window):
            for left in range(0, x.shape[2], stage.window):
                here = np.s_[:, top : top + stage.window, left : left + stage.window]
                attended[here] = x[here] + self.attended(x[here], f"{name}.attn", stage.window)
        x = self.convolved(attended, f"{name}.local_conv")
        places = np.moveaxis(x, 0, -1)
        inner = gelu(self.multiplied(self.normalised(places, f"{name}.mlp.norm"), f"{name}.mlp.fc1"))
        return x + np.moveaxis(self.multiplied(inner, f"{name}.mlp.fc2"), -1, 0)

    def attended(self, window: Array, name: str, side: int) -> Array:
        channels, width = len(window), self.variant.heads_width
        places = np.moveaxis(window, 0, -1).reshape(-1, channels)
        qkv = self.multiplied(self.normalised(places, f"{name}.norm"), f"{name}.qkv")
        table = self.tensors[f"{name}.attention_biases"]
        mixed = []
        for head in range(channels // width):
            query, key, content = (qkv[:, (3 * head + part) * width :][:, :width] for part in range(3))
            scores = query @ key.T / width**0.5
            for i, j in np.ndindex(scores.shape):
                rows, columns = abs(i // side - j // side), abs(i % side - j % side)
                scores[i, j] += table[head, rows * side + columns]
            mixed.append(softmax(scores, axis=1) @ content)
        result = self.multiplied(np.concatenate(mixed, axis=1), f"{name}.proj")
        return np.moveaxis(result.reshape(side, side, channels), -1, 0)

    def multiplied(self, x: Array, name: str) -> Array:
        return x @ self.tensors[f"{name}.weight"] + self.tensors[f"{name}.bias"]

    def normalised(self, x: Array, name: str) -> Array:
        centred = x - x.mean(axis=-1, keepdims=True)
        x = centred / np.sqrt(np.square(centred).mean(axis=-1, keepdims=True) + 1e-5)
        return x * self.tensors[f"{name}.weight"] + self.tensors[f"{name}.bias"]


def gelu(x: Array) -> Array:
    result: Array = x * 0.5 * (1 + erf(x / 2**0.5))
    return result


def test_the_graph_computes_what_the_paper_says() -> None:
    tensors = made(SMALL)
    session = onnxruntime.InferenceSession(
        build_tiny_vit(tensors, SMALL).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    pixels = np.random.default_rng(1).integers(0, 256, (3, 3, 64, 64)).astype(np.float32)
    (maps,) = session.run(["head"], {"pixels": (pixels - 127) / 128})
    assert maps.shape == (3, 16, 2, 2)
    plain = Plain(tensors, SMALL)
    for found, image in zip(maps, pixels, strict=True):
        expected = plain.head(image)
        assert expected.std() > 0.1
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_the_published_size_has_as_many_numbers_as_the_published_file() -> None:
    assert sum(tensor.size for tensor in made(TINY_VIT_5M).values()) == 5_066_196


def test_offsets_count_rows_and_columns_apart() -> None:
    apart = offsets(3)
    assert apart.shape == (9, 9)
    assert apart[0, 5] == apart[5, 0] == 1 * 3 + 2
    assert (apart.diagonal() == 0).all()


def test_tensors_of_another_shape_are_refused() -> None:
    tensors = made(SMALL)
    tensors["patch_embed.conv2.weight"] = tensors["patch_embed.conv2.weight"][:, :2]
    with pytest.raises(ValueError, match=r"patch_embed\.conv2\.weight is \(6, 2, 3, 3\), expected \(6, 3, 3, 3\)"):
        build_tiny_vit(tensors, SMALL)


def test_tensors_without_a_name_are_known_by_their_nodes(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    arrays = {
        "onnx::Conv_1": random.standard_normal((4, 3, 3, 3)).astype(np.float32),
        "onnx::Conv_2": np.ones(4, np.float32),
        "onnx::MatMul_3": random.standard_normal((4, 5)).astype(np.float32),
        "model.stages_1.blocks.0.mlp.fc1.bias": np.zeros(5, np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["x", "onnx::Conv_1", "onnx::Conv_2"], ["y"], name="/model/patch_embed/conv1/conv/Conv"),
        helper.make_node("MatMul", ["y", "onnx::MatMul_3"], ["z"], name="/model/stages_1/blocks/blocks.0/mlp/fc1/MatMul"),
        helper.make_node("MatMul", ["y", "z"], ["a"], name="/model/stages_1/blocks/blocks.0/attn/MatMul"),
    ]
    tensors = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "xa"]
    save(helper.make_model(helper.make_graph(nodes, "g", values[:1], values[1:], tensors)), tmp_path / "net.onnx")
    found = read_tensors(tmp_path / "net.onnx")
    assert set(found) == {
        "patch_embed.conv1.weight",
        "patch_embed.conv1.bias",
        "stages_1.blocks.0.mlp.fc1.weight",
        "stages_1.blocks.0.mlp.fc1.bias",
    }
    np.testing.assert_array_equal(found["stages_1.blocks.0.mlp.fc1.weight"], arrays["onnx::MatMul_3"])


def test_another_file_is_no_network(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"\x80 no network")
    with pytest.raises(WeightsError, match=r"net\.onnx is not an ONNX file"):
        read_tensors(tmp_path / "net.onnx")
