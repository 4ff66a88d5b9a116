"""How many steps a detector's training takes: what the engine takes, and a preview estimates."""

import math

STEP_IMAGES = 8
"""Images that are learnt from in each step."""
_STEPS_OF_A_TAG, _STEPS_OF_TAGS = 10, (60, 150)
"""How many steps more there are for each tag where images are few, and the least and the greatest number that comes of it."""


def training_steps(images: float, tags: int) -> int:
    """75 for 28 images of two tags, 201 for 292; thousands of images are seen once each (docs/learning.md).

    Args:
        images: of one tile; one of tiles × tiles counts as so many.
    """
    least, most = _STEPS_OF_TAGS
    of_tags = min(max(least, 50 + _STEPS_OF_A_TAG * tags), most)
    steps: int = max(of_tags, round(18.5 * images**0.42), math.ceil(images / STEP_IMAGES))
    return steps
