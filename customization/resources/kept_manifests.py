"""Manifests of contents: kept beside the program, or read from the training container."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from vision_customization.common.dataset_content.manifest import Manifest
from vision_customization.common.errors import VisionError
from vision_customization.customization.datasets.stored_content import find_stored
from vision_customization.customization.datasets.upload import read_manifest
from vision_customization.customization.resources import training_overlap
from vision_customization.customization.resources.provider import Properties, is_known

STATE_FOLDER = Path(".vision")
"""Digests, miniatures and manifests of datasets read before, beside the program: a cache, safe to delete."""


def manifest_path(digest: str) -> Path:
    return STATE_FOLDER / "manifests" / f"{digest}.json"


def keep_manifest(manifest: Manifest) -> None:
    """Save a content's manifest, so that a later preview can show what changed."""
    path = manifest_path(manifest.digest)
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{time.monotonic_ns()}.partial")
    partial.write_bytes(manifest.to_bytes())
    partial.replace(path)


def cached_manifest(digest: str) -> Manifest | None:
    path = manifest_path(digest)
    return Manifest.from_bytes(path.read_bytes()) if path.exists() else None


def manifest_numbers(manifest: Manifest) -> Properties:
    """A content in numbers, as `describe` has them of files."""
    return {"images": manifest.image_count, "tags": manifest.tags}


def find_manifest(digest: str, properties: Mapping[str, Any]) -> Manifest | None:
    """A former content's manifest: from the cache beside the program, or (in a fresh checkout) from the training container."""
    if (cached := cached_manifest(digest)) is not None:
        return cached
    if not is_known(properties.get("container_url"), properties.get("account_key")):
        return None
    try:
        return read_manifest(properties["container_url"], digest, account_key=properties.get("account_key"))
    except VisionError:
        return None


def stored_contents(digest: str, properties: Mapping[str, Any]) -> training_overlap.StoredContents:
    """How the images of a content in the training container are looked at."""

    @cache
    def manifest() -> Manifest | None:
        found = find_manifest(digest, properties)
        if found is not None:
            keep_manifest(found)
        return found

    @cache
    def file_names() -> Mapping[str, str]:
        if not is_known(properties.get("container_url"), properties.get("account_key")):
            return {}
        key = properties.get("account_key")
        try:
            return find_stored(properties["container_url"], digest, properties["annotation_kind"], account_key=key).file_names
        except VisionError:
            return {}

    return training_overlap.StoredContents(manifest, file_names)
