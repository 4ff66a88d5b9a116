"""The names of a dataset's blobs in a container.

    images/<sha256>.<ext>             each image content once, even if several datasets have it
    annotations/<sha256>.json         the COCO files that the service reads
    manifests/<digest>.json           the dataset's content, to show later what changed; written last
    manifests/<digest>/<sha256>       which annotation files came with it
    manifests/draft-<id>/<digest>.json  a content that a draft began with: its images stay for as long as the draft exists
    manifests/draft-<id>/<sha256>     an image that was added to the draft, or an annotation file that it began with

Every blob is named by its content and written only if it does not exist yet. So an interrupted upload can be continued, and
two uploads at a time do not disturb each other.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, BinaryIO

from vision_customization.common.dataset_content.image_formats import FORMATS

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient

MANIFESTS = "manifests/"
IMAGES = "images/"

_STORED = re.compile(rf"/{IMAGES}([0-9a-f]{{64}})(\.[a-z]+)$")
_EXTENSIONS = frozenset(each.extension for each in FORMATS.values())
_DRAFT = re.compile(r"manifests/draft-([0-9a-f-]+)/(?:[0-9a-f]{64}\.json|([0-9a-f]{64}))")


def image_name(sha256: str, extension: str) -> str:
    """`extension` begins with a dot."""
    return f"{IMAGES}{sha256}{extension}"


def stored_name(url: str) -> tuple[str, str] | None:
    """SHA-256 and extension of an image, from its URL; None if it is not stored under the digest of its content."""
    match = _STORED.search(url.partition("?")[0])
    return (match[1], match[2]) if match is not None and match[2] in _EXTENSIONS else None


def annotation_name(sha256: str) -> str:
    return f"annotations/{sha256}.json"


def manifest_name(digest: str) -> str:
    return f"{MANIFESTS}{digest}.json"


def marker_name(digest: str, annotation_sha256: str) -> str:
    return f"{MANIFESTS}{digest}/{annotation_sha256}"


def draft_base_name(draft_id: str, digest: str) -> str:
    return f"{MANIFESTS}draft-{draft_id}/{digest}.json"


def draft_pin_name(draft_id: str, sha256: str) -> str:
    """For an image or an annotation file."""
    return f"{MANIFESTS}draft-{draft_id}/{sha256}"


def draft_of(name: str) -> tuple[str, str | None] | None:
    """The draft that a blob below `manifests/` belongs to, and the digest of the file that it names if it names one."""
    match = _DRAFT.fullmatch(name)
    return None if match is None else (match[1], match[2])


def sha256_of_image(name: str) -> str:
    """The digest in the name of an image's blob."""
    return name.removeprefix(IMAGES).partition(".")[0]


def write_new(container: ContainerClient, name: str, data: bytes | BinaryIO, content_type: str) -> bool:
    """Write a blob unless its name exists, which means that its content does; returns whether it was written."""
    from azure.core.exceptions import ResourceExistsError
    from azure.storage.blob import ContentSettings

    try:
        container.upload_blob(name, data, overwrite=False, content_settings=ContentSettings(content_type=content_type))
    except ResourceExistsError:
        return False
    return True
