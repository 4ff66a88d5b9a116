"""The loss that the detector's training minimizes: the errors of its scores and boxes.

Li et al., "Generalized Focal Loss: Learning Qualified and Distributed Bounding Boxes for Dense Object Detection" (NeurIPS
2020), with the overlap loss of Rezatofighi et al., "Generalized Intersection over Union" (CVPR 2019).
"""

import jax
import jax.numpy as jnp
from jax import Array

from vision_customization.engine.learning.detection.assignment import BACKGROUND
from vision_customization.engine.learning.detection.network import Parameters, decode, head_outputs, locations
from vision_customization.engine.learning.pretrained.nanodet import BINS

_OVERLAP_WEIGHT = 2.0
_DISTRIBUTION_WEIGHT = 0.25
_FOCUS = 2.0
_TINY = 1e-6


def detection_loss(parameters: Parameters, images: Array, labels: Array, boxes: Array) -> Array:
    """The loss of a batch, a float32.

    Args:
        images: uint8 [n, H, W, 3], RGB.
        labels: int32 [n, locations], the target label of each location, or BACKGROUND.
        boxes: float32 [n, locations, 4], the target box of each location.
    """
    scores, distances = head_outputs(parameters, images)
    middles, strides = locations(images.shape[1], images.shape[2])
    answering = (labels != BACKGROUND).astype(jnp.float32)
    count = jnp.maximum(answering.sum(), 1.0)

    found = decode(distances, middles, strides)
    overlap, generalised = _overlaps(found, boxes)
    quality = jax.lax.stop_gradient(overlap) * answering
    score_loss = _quality_focal(scores, labels, quality).sum() / count

    # A location's box loss is weighted by its own score.
    weight = jax.lax.stop_gradient(jax.nn.sigmoid(scores).max(-1)) * answering
    total = jnp.maximum(weight.sum(), _TINY)
    overlap_loss = (weight * (1 - generalised)).sum() / total
    distribution_loss = (weight * _distribution_focal(distances, boxes, middles, strides)).sum() / total
    return score_loss + _OVERLAP_WEIGHT * overlap_loss + _DISTRIBUTION_WEIGHT * distribution_loss


def _overlaps(found: Array, wanted: Array) -> tuple[Array, Array]:
    """Intersection over union of pairs of boxes, and the generalised one."""
    sides = jnp.maximum(jnp.minimum(found[..., 2:], wanted[..., 2:]) - jnp.maximum(found[..., :2], wanted[..., :2]), 0)
    hull = jnp.maximum(found[..., 2:], wanted[..., 2:]) - jnp.minimum(found[..., :2], wanted[..., :2])
    intersection, around = sides.prod(-1), hull.prod(-1)
    union = (found[..., 2:] - found[..., :2]).prod(-1) + (wanted[..., 2:] - wanted[..., :2]).prod(-1) - intersection
    overlap = intersection / jnp.maximum(union, _TINY)
    return overlap, overlap - (around - union) / jnp.maximum(around, _TINY)


def _quality_focal(scores: Array, labels: Array, quality: Array) -> Array:
    """|σ − y|^β · cross-entropy(σ, y), y being the overlap for the wanted class and 0 for the others: [n, locations]."""
    wanted = jax.nn.one_hot(labels, scores.shape[-1]) * quality[..., None]
    entropy = jnp.maximum(scores, 0) - scores * wanted + jnp.log1p(jnp.exp(-jnp.abs(scores)))
    off: Array = jnp.abs(jax.nn.sigmoid(scores) - wanted) ** _FOCUS
    return (off * entropy).sum(-1)


def _distribution_focal(distances: Array, boxes: Array, middles: Array, strides: Array) -> Array:
    """Cross-entropy with the two bins around each wanted distance, the mean of the four sides: [n, locations]."""
    reach = jnp.concatenate([middles - boxes[..., :2], boxes[..., 2:] - middles], axis=-1) / strides[:, None]
    reach = jnp.clip(reach, 0, BINS - 1 - 0.01)
    below = jnp.floor(reach)
    above_share = reach - below
    logs = jax.nn.log_softmax(distances, axis=-1)
    index = below.astype(jnp.int32)[..., None]
    near = jnp.take_along_axis(logs, index, axis=-1)[..., 0]
    far = jnp.take_along_axis(logs, index + 1, axis=-1)[..., 0]
    return -(near * (1 - above_share) + far * above_share).mean(-1)
