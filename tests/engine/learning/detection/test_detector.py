"""The detector: its network in JAX and in the file, its training, and its pretrained weights."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper
from onnxruntime import InferenceSession

from vision_customization.engine.learning import ArtifactError, WeightsError
from vision_customization.engine.learning.boxes import Detections, LabelledBoxes, overlaps
from vision_customization.engine.learning.detection.artifact import (
    BOXES_MAX,
    OVERLAP_MOST,
    SCORE_LEAST,
    DetectorSession,
    export_detector,
)
from vision_customization.engine.learning.detection.assignment import BACKGROUND
from vision_customization.engine.learning.detection.augmentation import augment
from vision_customization.engine.learning.detection.loss import detection_loss
from vision_customization.engine.learning.detection.network import (
    _convolution,
    _plain_convolution,
    decode,
    head_outputs,
    locations,
)
from vision_customization.engine.learning.detection.recipe import DetectorRecipe
from vision_customization.engine.learning.detection.training import BoxedPixels, DetectorLearner, _kept_of_average
from vision_customization.engine.learning.onnx_files.graph import Graph, add_resize
from vision_customization.engine.learning.pretrained.nanodet import BINS, COCO_CLASSES, HEADS, LAYERS, Weights, with_classes
from vision_customization.engine.learning.pretrained.nanodet_weights import WEIGHTS_FILE, convert_nanodet, read_nanodet

SIDE = 96
TAGS = ("disc", "square")


@pytest.fixture(scope="module")
def pretrained(weights_dir: Path) -> Weights:
    return read_nanodet(weights_dir)


def scene(seed: int, height: int = SIDE, width: int = SIDE) -> tuple[NDArray[np.uint8], LabelledBoxes]:
    """A disc and a square on a noisy ground, and where they are, as shares."""
    random = np.random.default_rng(seed)
    pixels = random.integers(90, 130, (height, width, 3)).astype(np.uint8)
    corners = []
    y, x = np.mgrid[:height, :width]
    for label in range(2):
        size = random.integers(height // 4, height // 3)
        left = random.integers(0, width // 2 - size) + label * width // 2
        top = random.integers(0, height - size)
        inside = (x >= left) & (x < left + size) & (y >= top) & (y < top + size)
        if label == 0:
            inside &= (x - left - size / 2) ** 2 + (y - top - size / 2) ** 2 < (size / 2) ** 2
        pixels[inside] = (220, 60, 40) if label == 0 else (40, 90, 220)
        corners.append([left / width, top / height, (left + size) / width, (top + size) / height])
    return pixels, LabelledBoxes(np.array(corners, np.float32), np.array([0, 1]))


def learner(pretrained: Weights, steps: int = 4, frozen: int = 0) -> DetectorLearner:
    recipe = DetectorRecipe(side=SIDE, steps=steps, batch=2, frozen=frozen)
    scenes = [scene(seed) for seed in range(3)]
    images = [BoxedPixels(partial(np.copy, pixels), objects) for pixels, objects in scenes]
    return DetectorLearner(recipe, images, with_classes(pretrained, TAGS, np.random.default_rng(0)))


def suppressed(found: NDArray[np.float32], scores: NDArray[np.float32]) -> Detections:
    """Boxes [n, 4] and scores [n, k] after suppression class by class: what the file should give, written down plainly."""
    rows = []
    for label in range(scores.shape[1]):
        left = np.argsort(-scores[:, label], kind="stable")
        left = left[scores[left, label] > SCORE_LEAST]
        while len(left):
            best, left = left[0], left[1:]
            rows.append((scores[best, label], label, best))
            left = left[overlaps(found[[best]], found[left])[0] <= OVERLAP_MOST]
    rows = sorted(rows, key=lambda row: -row[0])[:BOXES_MAX]
    return Detections(
        found[[index for _, _, index in rows]],
        np.array([label for _, label, _ in rows]),
        np.array([score for score, _, _ in rows], np.float32),
    )


def resized(pixels: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    """The image as the file resizes it: float32 [1, H, W, 3]."""
    graph = Graph()
    graph.add("Identity", [add_resize(graph, "image", side)], "planes")
    model = graph.to_model(
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["height", "width", 3])],
        [helper.make_tensor_value_info("planes", TensorProto.FLOAT, [1, 3, None, None])],
    )
    (planes,) = InferenceSession(model.SerializeToString()).run(None, {"image": pixels})
    return np.asarray(planes, np.float32).transpose(0, 2, 3, 1)


@pytest.mark.parametrize(
    ("size", "tiles"), [((416, 416), 1), ((352, 480), 1), ((300, 700), 1), ((416, 416), 2), ((500, 900), 3)]
)
def test_the_file_finds_what_the_training_code_finds(pretrained: Weights, size: tuple[int, int], tiles: int) -> None:
    """The pretrained classes, whose scores are raised until they find something."""
    pixels, _ = scene(7, *size)
    weights = dict(pretrained)
    for head in HEADS:
        bias = weights[f"{head}/output/bias"].copy()
        bias[: -4 * BINS] += 0.5
        weights[f"{head}/output/bias"] = bias
    parameters = {name: jnp.asarray(array) for name, array in weights.items()}
    view = resized(pixels, 416 * tiles)
    logits, distances = head_outputs(parameters, jnp.asarray(view))
    limits = np.array([size[1], size[0]] * 2, np.float32)
    shares = np.asarray(decode(distances, *locations(*view.shape[1:3])))[0] / np.array(view.shape[2:0:-1] * 2, np.float32)
    expected = suppressed(shares * limits, np.asarray(jax.nn.sigmoid(logits))[0])
    session = DetectorSession(export_detector(weights, COCO_CLASSES, 416, "", tiles))
    assert session.detail == tiles
    given = session.detect(pixels)
    assert len(given) == len(expected) > 5
    assert np.abs(given.scores - expected.scores).max() < 1e-4
    steady = np.flatnonzero(np.diff(expected.scores, prepend=2) < -1e-3)  # two of nearly one score may change places
    steady = steady[np.diff(expected.scores[: len(expected)], append=-1)[steady] < -1e-3]
    np.testing.assert_array_equal(given.labels[steady], expected.labels[steady])
    assert np.abs(given.corners[steady] - np.clip(expected.corners[steady], 0, limits)).max() < 0.02


def test_boxes_are_in_pixels_of_the_image_that_came_in(pretrained: Weights) -> None:
    session = DetectorSession(export_detector(pretrained, COCO_CLASSES, 416, ""))
    for height, width in ((50, 900), (900, 50), (1200, 1600)):
        found = session.detect(
            scene(3, height, width)[0] if min(height, width) > 60 else np.zeros((height, width, 3), np.uint8)
        )
        assert (found.corners >= 0).all()
        assert (found.corners <= np.array([width, height] * 2)).all()
        assert (np.diff(found.scores) <= 0).all()


def test_a_training_learns_and_goes_on_after_an_interruption_as_if_there_had_been_none(pretrained: Weights) -> None:
    whole = learner(pretrained)
    loss = whole.run(100)
    assert np.isfinite(loss)
    assert whole.done
    first = learner(pretrained)
    first.run(100, lambda step: step < 2)
    assert first.step == 2
    second = learner(pretrained)
    second.resume(first.to_npz())
    assert second.step == 2
    second.run(100)
    assert second.done
    start = with_classes(pretrained, TAGS, np.random.default_rng(0))
    changed = 0
    for name, array in whole.weights().items():
        np.testing.assert_array_equal(second.weights()[name], array)
        changed += not np.array_equal(array, start[name])
    assert changed == len(start)


def test_views_are_of_the_recipes_tiles(pretrained: Weights) -> None:
    training = learner(pretrained)
    one = training._view(0)[0]
    training.recipe = replace(training.recipe, tiles=3)
    pixels, objects = scene(int(np.random.default_rng([0, 2, 0]).permutation(3)[0]))
    expected, _ = augment(pixels, objects, SIDE, np.random.default_rng([0, 3, 0]), 3)
    np.testing.assert_array_equal(training._view(0)[0], expected)
    assert not np.array_equal(one, expected)


@pytest.mark.parametrize(("metadata", "detail"), [(None, 1), ("4", 4), ("5", None), ("many", None)])
def test_the_tiles_of_a_file(pretrained: Weights, metadata: str | None, detail: int | None) -> None:
    file = onnx.load_from_string(export_detector(with_classes(pretrained, TAGS, np.random.default_rng(0)), TAGS, 416, ""))
    kept = [entry for entry in file.metadata_props if entry.key != "tiles"]
    del file.metadata_props[:]
    file.metadata_props.extend(kept)
    if metadata is not None:
        file.metadata_props.add(key="tiles", value=metadata)
    if detail is None:
        with pytest.raises(ArtifactError, match=f"`tiles` is '{metadata}', must be an integer from 1 to 4"):
            DetectorSession(file.SerializeToString())
    else:
        assert DetectorSession(file.SerializeToString()).detail == detail


def test_frozen_layers_stay(pretrained: Weights) -> None:
    training = learner(pretrained, steps=1, frozen=18)
    training.run(1)
    for layer in LAYERS:
        same = np.array_equal(training.weights()[f"{layer}/kernel"], pretrained[f"{layer}/kernel"])
        assert same == (layer in LAYERS[:18]), layer


def test_the_average_of_a_short_training_has_forgotten_the_start_and_that_of_a_long_one_is_smooth(
    pretrained: Weights,
) -> None:
    started = 1.0
    for step in range(60):
        started *= _kept_of_average(step)
    assert started < 1e-9
    assert _kept_of_average(1000) == 0.98
    # The average of two steps is what they were, the second one weighing more.
    training = learner(pretrained, steps=2)
    training.run(1)
    first, name = training._state["learnt"], f"{HEADS[0]}/output/kernel"
    training.run(1)
    start, second = with_classes(pretrained, TAGS, np.random.default_rng(0)), training._state["learnt"]
    kept = 2 / 11
    expected = kept * (0.1 * start[name] + 0.9 * first[name]) + (1 - kept) * second[name]
    np.testing.assert_allclose(training.weights()[name], expected, atol=1e-6)


def test_the_loss_is_small_where_everything_is_found_and_no_number_is_lost(pretrained: Weights) -> None:
    parameters = {name: jnp.asarray(array) for name, array in pretrained.items()}
    count = len(locations(SIDE, SIDE)[0])
    images = jnp.zeros((1, SIDE, SIDE, 3), jnp.uint8)
    nothing = jnp.full((1, count), BACKGROUND, jnp.int32), jnp.zeros((1, count, 4))
    empty = float(detection_loss(parameters, images, *nothing))
    labels = nothing[0].at[0, 0].set(3)
    wanted = float(detection_loss(parameters, images, labels, nothing[1].at[0, 0].set(jnp.array([0, 0, 40, 40]))))
    assert 0 <= empty < 0.5 < wanted
    assert np.isfinite(float(detection_loss(parameters, images, labels, nothing[1])))  # a box without an area


@pytest.mark.parametrize(("side", "stride", "padding", "height"), [(3, 1, 1, 7), (3, 2, 1, 8), (3, 2, 1, 7), (1, 1, 0, 5)])
def test_the_gradients_of_a_convolution_are_those_of_the_plain_one(side: int, stride: int, padding: int, height: int) -> None:
    random = np.random.default_rng(0)
    source = jnp.asarray(random.normal(size=(2, height, 6, 3)), jnp.float32)
    kernel = jnp.asarray(random.normal(size=(side, side, 3, 4)), jnp.float32)
    ours, theirs = (
        jax.grad(lambda x, k, f=convolve: (f(x, k, stride, padding) ** 2).sum(), argnums=(0, 1))(source, kernel)
        for convolve in (_convolution, _plain_convolution)
    )
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=2e-4, atol=2e-4)


def test_a_class_of_cocos_name_starts_from_what_coco_taught(pretrained: Weights) -> None:
    started = with_classes(pretrained, ["Wine-Glass", "rivet", "forks"], np.random.default_rng(0))
    for head in HEADS:
        kernel, bias = started[f"{head}/output/kernel"], started[f"{head}/output/bias"]
        known = pretrained[f"{head}/output/kernel"]
        assert kernel.shape == (1, 1, 128, 3 + 4 * BINS)
        np.testing.assert_array_equal(kernel[..., 0], known[..., COCO_CLASSES.index("wine glass")])
        np.testing.assert_array_equal(kernel[..., 2], known[..., COCO_CLASSES.index("fork")])
        np.testing.assert_array_equal(kernel[..., 3:], known[..., 80:])
        assert bias[1] == -4
        assert 0 < kernel[..., 1].std() < 0.02


def test_the_same_weights_give_the_same_file_and_a_classifier_is_refused(pretrained: Weights) -> None:
    weights = with_classes(pretrained, TAGS, np.random.default_rng(0))
    file = export_detector(weights, TAGS, 416, "a licence")
    assert file == export_detector(weights, TAGS, 416, "a licence")
    session = DetectorSession(file)
    assert session.tags == TAGS
    assert session._session.get_modelmeta().custom_metadata_map["licences"] == "a licence"
    with pytest.raises(ArtifactError, match="not an ONNX file"):
        DetectorSession(b"no model")


def test_weights_that_are_missing_or_damaged_are_told(weights_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"not in .*\. Run `vision-engine weights pull`"):
        read_nanodet(tmp_path)
    (tmp_path / WEIGHTS_FILE).write_bytes((weights_dir / WEIGHTS_FILE).read_bytes()[:-1])
    (tmp_path / WEIGHTS_FILE).with_suffix(".sha256").write_text((weights_dir / WEIGHTS_FILE).with_suffix(".sha256").read_text())
    with pytest.raises(WeightsError, match="is damaged"):
        read_nanodet(tmp_path)
    with pytest.raises(WeightsError, match=r"nanodet\.json .* is not under"):
        convert_nanodet(tmp_path)
    (tmp_path / "nanodet.json").write_text(json.dumps({}))
    with pytest.raises(WeightsError, match="has SHA-256"):
        convert_nanodet(tmp_path)
