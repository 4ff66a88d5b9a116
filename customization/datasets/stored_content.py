"""A content that is in a container already, as an upload or the Studio wrote it: found by its digest, and checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import combinations
from typing import TYPE_CHECKING

from vision_customization.common.blob_container import open_container, storage_errors
from vision_customization.common.dataset_content.blob_names import annotation_name, manifest_name, marker_name
from vision_customization.common.dataset_content.manifest import Manifest, manifest_of
from vision_customization.common.errors import StorageError, VisionError
from vision_customization.contract.coco.document import CocoFile, Severity, Violation
from vision_customization.contract.coco.rules import check_coco, check_together
from vision_customization.contract.coco.streamed import read_document
from vision_customization.contract.content_reference import content_reference
from vision_customization.customization.datasets.version_content import VersionContent, read_content
from vision_customization.customization.errors import DatasetInvalid

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.storage.blob import ContainerClient

_FILES_COMBINED_MAX = 12
"""Files in storage that are tried together: 4,095 combinations, of which nearly all have the wrong number of images."""


@dataclass(frozen=True)
class StoredContent:
    """A content in a container: its manifest, the annotation files that hold it, and the names that these give its images, by
    SHA-256."""

    digest: str
    manifest: Manifest
    annotation_uris: tuple[str, ...]
    file_names: Mapping[str, str]


class ContentMissing(StorageError):
    """The container does not have the content."""

    def __init__(self, digest: str, container_url: str) -> None:
        super().__init__(
            f"{content_reference(digest)}: is not in the container {container_url}. Copy it there: `vision datasets copy NAME "
            f"--version {content_reference(digest)} --to {container_url}`"
        )


def find_stored(
    container_url: str,
    digest: str,
    kind: str,
    purpose: str | None = None,
    *,
    account_key: str | None = None,
    credential: TokenCredential | None = None,
) -> StoredContent:
    """Find a content by its digest, and check it.

    Several uploads may have left annotation files with this content. Those are chosen that hold it, the fewest first.

    Args:
        kind: an `AnnotationKind`.
        purpose: `training` or `evaluation`: check the files against its limits, too.

    Raises:
        ContentMissing: the container does not have it, or not all of it.
        DatasetInvalid: its files break a rule of the contract.
        VisionError: it is of another kind.
        StorageError: the storage can't be reached, or refuses.
    """
    from azure.core.exceptions import ResourceNotFoundError

    root = container_url.rstrip("/")
    with (
        storage_errors(f"{content_reference(digest)} in {container_url}"),
        open_container(container_url, account_key=account_key, credential=credential) as container,
    ):
        try:
            manifest = Manifest.from_bytes(container.download_blob(manifest_name(digest)).readall())
        except ResourceNotFoundError:
            raise ContentMissing(digest, container_url) from None
        if manifest.digest != digest:
            raise StorageError(f"{root}/{manifest_name(digest)}: does not match its digest, so it was changed after the upload")
        if manifest.kind != kind:
            raise VisionError(
                f"{content_reference(digest)}: is of kind {manifest.kind}, not {kind}. Set the dataset's annotation kind to it"
            )
        files = dict(_annotation_files(container, digest))
    contents = {sha256: read_content(data, kind, annotation_name(sha256)) for sha256, data in files.items()}
    chosen = _forming(contents, manifest)
    if chosen is None:
        raise ContentMissing(digest, container_url)
    if purpose is not None:
        _check([(annotation_name(sha256), files[sha256]) for sha256 in chosen], kind, purpose)
    uris = tuple(f"{root}/{annotation_name(sha256)}" for sha256 in chosen)
    names = {image.sha256: image.file_name for sha256 in chosen for image in contents[sha256].images}
    return StoredContent(digest, manifest, uris, names)


def _annotation_files(container: ContainerClient, digest: str) -> Iterator[tuple[str, bytes]]:
    """The annotation files that came with a content, by the SHA-256 in their names."""
    from azure.core.exceptions import ResourceNotFoundError

    for marker in sorted(container.list_blob_names(name_starts_with=marker_name(digest, ""))):
        sha256 = marker.rpartition("/")[2]
        try:
            yield sha256, container.download_blob(annotation_name(sha256)).readall()
        except ResourceNotFoundError:
            continue


def _forming(contents: dict[str, VersionContent], manifest: Manifest) -> tuple[str, ...] | None:
    """The fewest files that hold the content together."""
    names = sorted(contents)[:_FILES_COMBINED_MAX]
    for count in range(1, len(names) + 1):
        for chosen in combinations(names, count):
            images = [image for name in chosen for image in contents[name].images]
            if len(images) != manifest.image_count:
                continue
            if manifest_of(manifest.kind, ((image.sha256, image.labels) for image in images)).digest == manifest.digest:
                return chosen
    return None


def _check(files: Sequence[tuple[str, bytes]], kind: str, purpose: str) -> None:
    """Raises DatasetInvalid."""
    violations: list[Violation] = []
    checked: list[CocoFile] = []
    for name, data in files:
        document, unreadable = read_document(BytesIO(data), name)
        file, broken = check_coco(document, name, kind, purpose, urls_required=True)
        violations += broken if unreadable is None else [unreadable]
        if file is not None:
            checked.append(file)
    if len(checked) == len(files):
        violations += check_together(checked, kind, purpose)
    if errors := [violation for violation in violations if violation.severity is Severity.ERROR]:
        raise DatasetInvalid(errors)
