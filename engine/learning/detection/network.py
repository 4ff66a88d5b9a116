"""The detector in JAX, forward and backward, on any processor that JAX supports."""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array, lax

from vision_customization.engine.learning.pretrained.nanodet import BINS, DEVIATION_RGB, MEAN_RGB, SLOPE, grid, walk

Parameters = dict[str, Array]

_LAYOUT = ("NHWC", "HWIO", "NHWC")


def _plain_convolution(source: Array, kernel: Array, stride: int, padding: int) -> Array:
    return lax.conv_general_dilated(
        source, kernel, (stride, stride), ((padding, padding), (padding, padding)), dimension_numbers=_LAYOUT
    )


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _convolution(source: Array, kernel: Array, stride: int, padding: int) -> Array:
    """A convolution with its own gradients, because XLA's are slow on a CPU (docs/decisions/0006): the kernel's gradient is a
    matrix product per image, and the source's gradient is a plain convolution."""
    return _plain_convolution(source, kernel, stride, padding)


def _convolution_forward(source: Array, kernel: Array, stride: int, padding: int) -> tuple[Array, tuple[Array, Array]]:
    return _plain_convolution(source, kernel, stride, padding), (source, kernel)


def _convolution_backward(stride: int, padding: int, kept: tuple[Array, Array], slope: Array) -> tuple[Array, Array]:
    source, kernel = kept
    spread = slope
    if stride > 1:
        ends = [size - (places - 1) * stride - 1 for size, places in zip(source.shape[1:3], slope.shape[1:3], strict=True)]
        gaps = [(0, end, stride - 1) for end in ends]
        spread = lax.pad(slope, jnp.zeros((), slope.dtype), [(0, 0, 0), *gaps, (0, 0, 0)])
    turned = kernel[::-1, ::-1].transpose(0, 1, 3, 2)
    source_slope = _plain_convolution(spread, turned, 1, kernel.shape[0] - 1 - padding)
    return source_slope, _kernel_slope(source, slope, kernel.shape, stride, padding)


def _kernel_slope(source: Array, slope: Array, shape: tuple[int, ...], stride: int, padding: int) -> Array:
    """The kernel's gradient, image by image, so that an image's patches stay in the processor's caches."""
    padded = jnp.pad(source, ((0, 0), (padding, padding), (padding, padding), (0, 0)))

    def with_image(total: Array, image: tuple[Array, Array]) -> tuple[Array, None]:
        pixels, pixel_slope = image
        patches = _patches(pixels, shape[0], stride, pixel_slope.shape[:2])
        return total + patches.T @ pixel_slope.reshape(-1, shape[3]), None

    start = jnp.zeros((shape[0] * shape[1] * shape[2], shape[3]), slope.dtype)
    return lax.scan(with_image, start, (padded, slope))[0].reshape(shape)


def _patches(padded: Array, side: int, stride: int, size: tuple[int, ...]) -> Array:
    """The kernel's inputs at each place of an image: [h · w, side · side · channels]."""
    channels = padded.shape[2]
    height, width = ((places - 1) * stride + 1 for places in size)
    seen = [
        lax.slice(padded, (row, column, 0), (row + height, column + width, channels), (stride, stride, 1))
        for row in range(side)
        for column in range(side)
    ]
    return jnp.concatenate(seen, axis=-1).reshape(-1, side * side * channels)


_convolution.defvjp(_convolution_forward, _convolution_backward)


@jax.custom_vjp
def _activation(source: Array) -> Array:
    """The leaky rectifier. Its gradient is computed from its output, which the next layer keeps anyway. Its input need not be
    kept, which saves a fifth of a step's memory (209 MB instead of 257 with the recipe's batch)."""
    return jnp.maximum(source, SLOPE * source)


def _activation_forward(source: Array) -> tuple[Array, Array]:
    activated = _activation(source)
    return activated, activated


def _activation_backward(activated: Array, slope: Array) -> tuple[Array]:
    return (jnp.where(activated > 0, slope, SLOPE * slope),)


_activation.defvjp(_activation_forward, _activation_backward)


class _JaxOperations:
    """Maps are float32 [n, h, w, channels]."""

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters

    def convolve(self, source: Array, layer: str, stride: int = 1) -> Array:
        kernel = self._parameters[f"{layer}/kernel"]
        convolved: Array = _convolution(source, kernel, stride, kernel.shape[0] // 2)
        return convolved + self._parameters[f"{layer}/bias"]

    def activate(self, source: Array) -> Array:
        activated: Array = _activation(source)
        return activated

    def join(self, sources: Sequence[Array]) -> Array:
        return jnp.concatenate(sources, axis=-1)

    def add(self, first: Array, second: Array) -> Array:
        return first + second

    def pool(self, source: Array) -> Array:
        pooled: Array = lax.reduce_window(
            source, -jnp.inf, lax.max, (1, 3, 3, 1), (1, 2, 2, 1), ((0, 0), (1, 1), (1, 1), (0, 0))
        )
        return pooled

    def double(self, source: Array) -> Array:
        batch, height, width, channels = source.shape
        doubled: Array = jax.image.resize(source, (batch, 2 * height, 2 * width, channels), "linear")
        return doubled

    def halve(self, source: Array) -> Array:
        batch, height, width, channels = source.shape
        return source.reshape(batch, height // 2, 2, width // 2, 2, channels).mean((2, 4))


def head_outputs(parameters: Parameters, images: Array) -> tuple[Array, Array]:
    """The head's output for each location of the three maps.

    Args:
        images: uint8 or float32 [n, H, W, 3], RGB in 0…255; H and W multiples of 32.

    Returns:
        Logits of the classes, float32 [n, locations, k], and of the distances, float32 [n, locations, 4, BINS].
    """
    pixels = (images.astype(jnp.float32) - jnp.asarray(MEAN_RGB)) / jnp.asarray(DEVIATION_RGB)
    maps = walk(_JaxOperations(parameters), pixels)
    flat = jnp.concatenate([level.reshape(level.shape[0], -1, level.shape[3]) for level in maps], axis=1)
    return flat[..., : -4 * BINS], flat[..., -4 * BINS :].reshape(*flat.shape[:2], 4, BINS)


def locations(height: int, width: int) -> tuple[Array, Array]:
    """Centre (x, y) in pixels, float32 [locations, 2], and stride, float32 [locations], of each location."""
    middles, strides, _ = grid(height, width)
    return jnp.asarray(middles), jnp.asarray(strides)


def decode(distances: Array, middles: Array, strides: Array) -> Array:
    """Boxes, float32 [n, locations, 4] (left, top, right, bottom in pixels), from logits [n, locations, 4, BINS]: the
    expectation of each distribution, in strides."""
    reach = jax.nn.softmax(distances, axis=-1) @ jnp.arange(BINS, dtype=jnp.float32) * strides[:, None]
    return jnp.concatenate([middles - reach[..., :2], middles + reach[..., 2:]], axis=-1)
