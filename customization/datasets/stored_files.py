"""Annotation files and manifests of any size on their way into a container: they go through temporary files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, BinaryIO, cast

from vision_customization.common.dataset_content.blob_names import annotation_name, manifest_name, marker_name, write_new
from vision_customization.common.dataset_content.manifest import Manifest, manifest_text
from vision_customization.customization.datasets.labelled_file import LabelledFile

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient

_PIECES = 4096


def write_files(container: ContainerClient, root: str, files: Sequence[LabelledFile], manifest: Manifest) -> list[str]:
    """Write the annotation files, then the manifest, which says that the content is whole; returns the files' URIs.

    Args:
        root: the container's URL.
    """
    names = []
    for file in files:
        with _spooled(file.coco_text(root)) as (data, sha256):
            names.append(annotation_name(sha256))
            write_new(container, names[-1], data, "application/json")
        write_new(container, marker_name(manifest.digest, sha256), b"", "application/octet-stream")
    with _spooled(manifest_text(manifest.kind, list(manifest.tags), manifest.sorted_images)) as (data, _):
        write_new(container, manifest_name(manifest.digest), data, "application/json")
    return [f"{root}/{name}" for name in names]


@contextmanager
def _spooled(text: Iterable[str]) -> Iterator[tuple[BinaryIO, str]]:
    """A file with the text, and its SHA-256 in hex."""
    digest = hashlib.sha256()
    with cast("BinaryIO", TemporaryFile()) as file:
        pieces = iter(text)
        while data := "".join(islice(pieces, _PIECES)).encode():
            digest.update(data)
            file.write(data)
        file.seek(0)
        yield file, digest.hexdigest()
