"""An image that a command is given: a file, or a URL that the service reads."""

from __future__ import annotations

from vision_customization.common import redaction


def is_url(image: str) -> bool:
    return image.lower().startswith(("http://", "https://"))


def without_query(image: str) -> str:
    """What may be printed of an image: its URL has no query, which may be a SAS token, no fragment, and no user name."""
    return redaction.without_query(image) if is_url(image) else image
