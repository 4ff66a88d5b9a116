"""Manifests of contents: kept beside the program, or read from the training container."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

from vision_customization.common.dataset_content.manifest import (
    ContentChange,
    ImageLabels,
    Manifest,
    ManifestNumbers,
    compare_differing,
)
from vision_customization.common.errors import VisionError
from vision_customization.customization.datasets.stored_content import find_stored
from vision_customization.customization.datasets.upload import read_manifest
from vision_customization.customization.resources import training_overlap
from vision_customization.customization.resources.provider import Properties, is_known

STATE_FOLDER = Path(".vision")
"""Digests, miniatures and manifests of datasets read before, beside the program: a cache, safe to delete."""


_FORMAT = "vision-content-parts 1"
_PREFIX_DIGITS = 2
"""Hexadecimal digits of an image's SHA-256 that its part is named by: 256 parts."""


@dataclass(frozen=True)
class KeptManifest:
    """A manifest beside the program, in parts: the images whose SHA-256 begins alike. `parts` are the digests of the parts'
    bytes, by these beginnings. Contents share the parts that they have in common."""

    numbers: ManifestNumbers
    parts: Mapping[str, str]

    def images(self, prefixes: Iterable[str]) -> dict[str, ImageLabels]:
        """The images of these parts. Raises OSError if one is gone, and VisionError if it is damaged."""
        found: dict[str, ImageLabels] = {}
        for prefix in prefixes:
            if (part := self.parts.get(prefix)) is not None:
                found.update(Manifest.from_bytes(_part_path(part).read_bytes()).images)
        return found

    def whole(self) -> Manifest:
        """Raises as `images`."""
        return Manifest(self.numbers.kind, self.images(self.parts))


def _folder() -> Path:
    return STATE_FOLDER / "manifests"


def _index_path(digest: str) -> Path:
    return _folder() / f"{digest}.parts.json"


def _part_path(sha256: str) -> Path:
    return _folder() / "parts" / f"{sha256}.json"


def keep_manifest(manifest: Manifest) -> KeptManifest:
    """Save a content's manifest, so that a later preview can show what changed."""
    if (kept := _indexed(manifest.digest)) is not None:
        return kept
    parts = {}
    for prefix, group in groupby(manifest.sorted_images(), key=lambda image: image[0][:_PREFIX_DIGITS]):
        data = Manifest(manifest.kind, dict(group)).to_bytes()
        parts[prefix] = hashlib.sha256(data).hexdigest()
        _write(_part_path(parts[prefix]), data)
    numbers = ManifestNumbers.of(manifest)
    index = {"format": _FORMAT, **asdict(numbers), "parts": parts}
    _write(_index_path(manifest.digest), json.dumps(index, ensure_ascii=False).encode())
    (_folder() / f"{manifest.digest}.json").unlink(missing_ok=True)
    return KeptManifest(numbers, parts)


def _write(path: Path, data: bytes) -> None:
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{time.monotonic_ns()}.partial")
    partial.write_bytes(data)
    partial.replace(path)


def kept_manifest(digest: str) -> KeptManifest | None:
    """A content's manifest beside the program; None if it is not there. Earlier versions kept it in one file."""
    if (kept := _indexed(digest)) is not None:
        return kept
    try:
        whole = Manifest.from_bytes((_folder() / f"{digest}.json").read_bytes())
    except (OSError, VisionError):
        return None
    return keep_manifest(whole) if whole.digest == digest else None


def _indexed(digest: str) -> KeptManifest | None:
    try:
        index = json.loads(_index_path(digest).read_bytes())
        if index["format"] == _FORMAT:
            return KeptManifest(ManifestNumbers(index["kind"], index["images"], index["tags"]), index["parts"])
    except (OSError, ValueError, LookupError, TypeError):
        pass
    return None


def changed_content(before: Mapping[str, Any], after: Mapping[str, Any]) -> ContentChange | None:
    """What changed between the contents of two states of a dataset, of which only the parts that differ are read. None if one
    of the contents is unknown."""
    old, new = _find(before["digest"], before), _find(after["digest"], after)
    if old is None or new is None:
        return None
    differing = sorted(prefix for prefix in {*old.parts, *new.parts} if old.parts.get(prefix) != new.parts.get(prefix))
    try:
        return compare_differing(old.numbers, new.numbers, old.images(differing), new.images(differing))
    except (OSError, VisionError):
        return None


def manifest_numbers(numbers: ManifestNumbers) -> Properties:
    """A content in numbers, as `describe` has them of files."""
    return {"images": numbers.images, "tags": dict(numbers.tags)}


def _find(digest: str, properties: Mapping[str, Any]) -> KeptManifest | None:
    """A former content's manifest: from the cache beside the program, or (in a fresh checkout) from the training container."""
    if (kept := kept_manifest(digest)) is not None:
        return kept
    if not is_known(properties.get("container_url"), properties.get("account_key")):
        return None
    try:
        return keep_manifest(read_manifest(properties["container_url"], digest, account_key=properties.get("account_key")))
    except VisionError:
        return None


def stored_contents(digest: str, properties: Mapping[str, Any]) -> training_overlap.StoredContents:
    """How the images of a content in the training container are looked at."""

    @cache
    def manifest() -> Manifest | None:
        found = _find(digest, properties)
        try:
            return None if found is None else found.whole()
        except (OSError, VisionError):
            return None

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
