"""Trains a detector: fine-tunes the pretrained network on boxed images, in stretches that can be saved and resumed."""

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from numpy.typing import NDArray

from vision_customization.engine.learning.boxes import LabelledBoxes
from vision_customization.engine.learning.detection.assignment import assign
from vision_customization.engine.learning.detection.augmentation import augment
from vision_customization.engine.learning.detection.loss import detection_loss
from vision_customization.engine.learning.detection.network import Parameters
from vision_customization.engine.learning.detection.recipe import DetectorRecipe
from vision_customization.engine.learning.npz import from_npz, to_npz
from vision_customization.engine.learning.pretrained.nanodet import HEADS, Weights

_RATE_OF_NEW = 4.0
"""Factor of the rate for the last layer of each head, because the filters of most tags start from noise there."""
_DECAY = 0.01
_GRADIENT_NORM_MAX = 10.0
_AVERAGE = 0.98
"""Share of the weights' moving average that stays at each step, after many steps."""
_NEW = frozenset(f"{head}/output/{part}" for head in HEADS for part in ("kernel", "bias"))


@dataclass(frozen=True)
class BoxedPixels:
    """A training image. `read` gives its pixels, uint8 [h, w, 3], RGB; corners of `objects` are shares, 0…1, of its sides."""

    read: Callable[[], NDArray[np.uint8]]
    objects: LabelledBoxes


_Batch = tuple[NDArray[np.uint8], NDArray[np.int32], NDArray[np.float32]]
_State = dict[str, Any]


class DetectorLearner:
    """Learns from boxed images. The same images, recipe and seed give the same steps, even after interruptions."""

    def __init__(self, recipe: DetectorRecipe, images: Sequence[BoxedPixels], weights: Weights) -> None:
        """
        Args:
            images: the training images; their order matters.
            weights: the initial weights, with outputs for the images' classes (`nanodet.with_classes`).
        """
        self.recipe = recipe
        self._images = images
        start = {name: jnp.asarray(array) for name, array in weights.items()}
        frozen = recipe.frozen_layers
        self._frozen = {name: array for name, array in start.items() if name.rpartition("/")[0] in frozen}
        learnt = {name: array for name, array in start.items() if name not in self._frozen}
        self.steps = recipe.steps
        """The number of steps in all. It may change between stretches, and the rate with it."""
        self._state: _State = {"learnt": learnt, "average": learnt, "optimizer": _DIRECTION.init(learnt)}
        self.step = 0

    @property
    def done(self) -> bool:
        return self.step >= self.steps

    def run(self, steps: int, after: Callable[[int], bool] = lambda _step: True) -> float:
        """Do at most `steps` of the remaining steps. Returns their mean loss.

        Args:
            after: called after each step with the total number of steps done; returning False ends the stretch.
        """
        last = min(self.step + steps, self.steps)
        losses: list[Array] = []
        with ThreadPoolExecutor(1, thread_name_prefix="augment") as ahead:
            coming = ahead.submit(self._batch, self.step)
            while self.step < last:
                batch = coming.result()
                if self.step + 1 < last:
                    coming = ahead.submit(self._batch, self.step + 1)
                rate, kept = self.recipe.rate_of(self.step, self.steps), _kept_of_average(self.step)
                self._state, loss = _take_step(self._frozen, self._state, rate, kept, *batch)
                losses.append(loss)
                self.step += 1
                loss.block_until_ready()
                if not after(self.step):
                    break
        return float(np.mean(losses)) if losses else math.nan

    def weights(self) -> Weights:
        """The network so far: the moving average of the weights."""
        return {name: np.asarray(array) for name, array in {**self._frozen, **self._state["average"]}.items()}

    def to_npz(self) -> bytes:
        """The complete state, for `resume`."""
        leaves = jax.tree.leaves(self._state)
        return to_npz({"step": np.array(self.step), **{f"{index}": np.asarray(leaf) for index, leaf in enumerate(leaves)}})

    def resume(self, data: bytes) -> None:
        """Continue from a state of `to_npz` with the same recipe and tags."""
        arrays = from_npz(data)
        structure = jax.tree.structure(self._state)
        self._state = jax.tree.unflatten(structure, [jnp.asarray(arrays[f"{index}"]) for index in range(len(arrays) - 1)])
        self.step = int(arrays["step"])

    def _batch(self, step: int) -> _Batch:
        recipe = self.recipe
        views = [self._view(step * recipe.batch + place) for place in range(recipe.batch)]
        targets = [assign(objects, recipe.side, recipe.side) for _, objects in views]
        return (
            np.stack([picture for picture, _ in views]),
            np.stack([labels for labels, _ in targets]),
            np.stack([boxes for _, boxes in targets]),
        )

    def _view(self, place: int) -> tuple[NDArray[np.uint8], LabelledBoxes]:
        """The view at one place of the endless sequence of images: all images in a random order, then in another, and so on."""
        turn, index = divmod(place, len(self._images))
        order = np.random.default_rng([self.recipe.seed, 2, turn]).permutation(len(self._images))
        image = self._images[order[index]]
        generator = np.random.default_rng([self.recipe.seed, 3, place])
        return augment(image.read(), image.objects, self.recipe.side, generator, self.recipe.tiles)


def _kept_of_average(step: int) -> float:
    """The share of the average that stays at a step. It grows with the steps, so that even a short training forgets its start,
    as in TensorFlow's `ExponentialMovingAverage` with `num_updates`."""
    return min(_AVERAGE, (1 + step) / (10 + step))


def _kernels(parameters: Parameters) -> dict[str, bool]:
    return {name: name.endswith("/kernel") for name in parameters}


_DIRECTION = optax.chain(
    optax.clip_by_global_norm(_GRADIENT_NORM_MAX),
    optax.scale_by_adam(),
    optax.add_decayed_weights(_DECAY, mask=_kernels),
)
"""AdamW without the rate, which is a parameter of the step. JAX takes a quarter of a minute to compile a step, and this way
compiles only one for all phases and trainings with the same number of classes."""


@jax.jit
def _take_step(
    frozen: Parameters, state: _State, rate: float, kept: float, images: Array, labels: Array, boxes: Array
) -> tuple[_State, Array]:
    def loss_of(learnt: Parameters) -> Array:
        return detection_loss({**frozen, **learnt}, images, labels, boxes)

    loss, slope = jax.value_and_grad(loss_of)(state["learnt"])
    direction, optimizer_state = _DIRECTION.update(slope, state["optimizer"], state["learnt"])
    updates = {name: -rate * (_RATE_OF_NEW if name in _NEW else 1.0) * way for name, way in direction.items()}
    learnt = optax.apply_updates(state["learnt"], updates)
    average = jax.tree.map(lambda before, new: kept * before + (1 - kept) * new, state["average"], learnt)
    return {"learnt": learnt, "average": average, "optimizer": optimizer_state}, loss
