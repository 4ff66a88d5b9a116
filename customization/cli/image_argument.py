"""An image that a command is given: a file, or a URL that the service reads."""

from __future__ import annotations

from vision_customization.common import redaction


def is_url(image: str) -> bool:
    return image.lower().startswith(("http://", "https://"))


def without_query(image: str) -> str:
    """The image as it may be printed: a URL loses its query (which may be a SAS token), its fragment and its user name."""
    return redaction.without_query(image) if is_url(image) else image
