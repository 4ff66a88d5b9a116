"""How well a classifier does, estimated from its training images: each is judged by classifiers that had not seen it."""

from dataclasses import dataclass, replace
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

_CONFIDENCE = 0.95

Label = TypeVar("Label", bound=np.generic)


@dataclass(frozen=True)
class HeldOut:
    """What classifiers said of training images that they had not seen.

    `rows`, int64 [m], are the images' positions among the training images. `foldings`, float32 [r, m, k], are their
    probabilities in each of r ways to fold the images. `groups` are the groups of images that show nearly the same, which no
    fold parts, and `learnt_share` is the share of the images that each classifier learnt from.
    """

    rows: NDArray[np.int64]
    foldings: NDArray[np.float32]
    groups: int
    learnt_share: float

    @property
    def probabilities(self) -> NDArray[np.float32]:
        """float32 [m, k], the mean over the ways to fold."""
        mean: NDArray[np.float32] = self.foldings.mean(axis=0)
        return mean

    @property
    def flat(self) -> NDArray[np.float32]:
        """float32 [r · m, k], one way to fold after the other."""
        return self.foldings.reshape(-1, self.foldings.shape[2])

    def repeated(self, labels: NDArray[Label]) -> NDArray[Label]:
        """The labels of these images, once for each way to fold: [r · m, …], of the labels of all training images, [n, …]."""
        return np.concatenate([labels[self.rows]] * len(self.foldings))

    def of_sample(self, images: int, count: int) -> Self:
        """The same, if there are `count` training images in all, and the classifiers had a sample of `images` of them."""
        return replace(self, learnt_share=self.learnt_share * images / count)

    def interval(self, accuracy: float) -> tuple[float, float]:
        """Where the accuracy of the final classifier is with a probability of about 95 %, for its estimate 0…1.

        It is Wilson's interval (JASA 1927) of as many independent images as there are groups. The final classifier learns from
        more images than those that were judged. Learning curves fall at most in proportion to the images, so at the upper end
        the error is multiplied by `learnt_share`.
        """
        low, high = wilson_interval(accuracy, self.groups)
        return low, 1 - (1 - high) * self.learnt_share


def wilson_interval(share: float, count: int) -> tuple[float, float]:
    """The 95 % interval of a share 0…1 of `count` (1 or more) independent cases (Wilson, JASA 1927)."""
    z = float(ndtri(0.5 + _CONFIDENCE / 2))
    centre = share + z * z / (2 * count)
    half = z * np.sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2)
    scale = 1 + z * z / count
    return max(0.0, float((centre - half) / scale)), min(1.0, float((centre + half) / scale))
