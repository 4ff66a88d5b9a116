"""An image that a command is given: a file, or a URL that the service reads."""

from __future__ import annotations

import re


def is_url(image: str) -> bool:
    return image.lower().startswith(("http://", "https://"))


def without_query(image: str) -> str:
    """What may be printed of an image: its URL has no query, which may be a SAS token, no fragment, and no user name."""
    if not is_url(image):
        return image
    return re.sub(r"^([a-z]+://)[^/@]*@", r"\1", re.split(r"[?#]", image, maxsplit=1)[0], flags=re.IGNORECASE)
