"""Uploading a dataset's content to a blob container, and deleting it. `common.dataset_content.blob_names` has the layout."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, as_completed, wait
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from vision_customization.common.blob_container import (
    CONNECTIONS,
    container_exists,
    container_sas,
    ensure_container,
    open_blob,
    open_container,
    storage_errors,
)
from vision_customization.common.dataset_content.blob_names import (
    IMAGES,
    MANIFESTS,
    annotation_name,
    draft_of,
    manifest_name,
    marker_name,
    sha256_of_image,
    write_new,
)
from vision_customization.common.dataset_content.manifest import Manifest
from vision_customization.common.errors import StorageError
from vision_customization.customization.datasets.content import Content
from vision_customization.customization.datasets.labelled_file import ContentEntry
from vision_customization.customization.datasets.stored_files import write_files

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.storage.blob import ContainerClient

__all__ = [
    "DeletedContent",
    "RegisteredContent",
    "UploadProgress",
    "UploadedDataset",
    "container_exists",
    "container_sas",
    "delete_content",
    "digest_uris",
    "ensure_container",
    "missing_blobs",
    "present_images",
    "read_manifest",
    "upload_content",
]

LISTED_MAX_PER_IMAGE = 16
"""A container with many more images than the dataset is not listed to its end: checking one image takes as long as listing
16 (2.8 ms against 0.17 ms per image, measured with Azurite)."""

LISTED_MAX = 20_000

_WAITING_MAX = 4 * CONNECTIONS

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class UploadProgress:
    """Images (and their bytes) uploaded so far, of those that are not in the container yet."""

    done: int
    total: int
    bytes_done: int
    bytes_total: int


@dataclass(frozen=True, slots=True)
class UploadedDataset:
    """Where the dataset is stored now, and how much was uploaded."""

    annotation_uris: list[str]
    uploaded_images: int
    uploaded_bytes: int


@dataclass(frozen=True, slots=True)
class DeletedContent:
    images: int
    annotation_files: int


@dataclass(frozen=True, slots=True)
class RegisteredContent:
    """Annotation files that are already in blob storage. The digest is of their ETags: it shows that a file was written, but
    not what changed in it, and nothing about the images."""

    uris: tuple[str, ...]
    e_tags: tuple[str, ...]
    digest: str


def upload_content(
    content: Content,
    container_url: str,
    *,
    account_key: str | None = None,
    credential: TokenCredential | None = None,
    on_progress: Callable[[UploadProgress], None] | None = None,
) -> UploadedDataset:
    """Upload what the container lacks: images, then annotation files, then the manifest.

    Args:
        account_key: shared key; by default `credential`, and without that the caller's Entra identity.
        on_progress: called after each image, on the caller's thread.

    Raises:
        StorageError: what was uploaded stays, and the next call continues from there.
    """
    with (
        storage_errors(f"upload to {container_url}"),
        open_container(container_url, account_key=account_key, credential=credential) as container,
    ):
        root = container_url.rstrip("/")
        images, image_bytes = _upload_images(container, content.entries, on_progress)
        uris = write_files(container, root, content.files, content.manifest)
    return UploadedDataset(uris, images, image_bytes)


def missing_blobs(
    uris: Iterable[str], *, account_key: str | None = None, credential: TokenCredential | None = None
) -> list[str]:
    """The blobs that do not exist. Raises StorageError if the storage can't be reached, or refuses."""
    missing = []
    for uri in uris:
        with storage_errors(uri), open_blob(uri, account_key=account_key, credential=credential) as blob:
            if not blob.exists():
                missing.append(uri)
    return missing


def read_manifest(
    container_url: str, digest: str, *, account_key: str | None = None, credential: TokenCredential | None = None
) -> Manifest:
    """The manifest of a content that was uploaded before.

    Raises:
        StorageError: the manifest does not exist, or the storage can't be reached.
    """
    with (
        storage_errors(f"manifest {digest} in {container_url}"),
        open_container(container_url, account_key=account_key, credential=credential) as container,
    ):
        return _read_manifest(container, digest)


def delete_content(
    container_url: str,
    digest: str,
    *,
    account_key: str | None = None,
    credential: TokenCredential | None = None,
    registered_uris: Collection[str] = (),
    open_drafts: Collection[str] | None = None,
    keep_images: bool = False,
) -> DeletedContent:
    """Delete those blobs of a content that no other content's manifest names, and no draft.

    With `keep_images`, delete only its manifest: its images and annotation files stay, but no longer protect blobs that it
    shares with others.

    Two datasets with the same content share all blobs: pass the annotation URIs of the datasets that stay registered as
    `registered_uris`, so that nothing they need is deleted. `open_drafts` are the ids of the drafts that exist; without them,
    everything that any draft ever had stays. After an interruption, call it again to continue.

    Raises:
        StorageError: the storage can't be reached, or refuses.
    """
    with (
        storage_errors(f"deletion in {container_url}"),
        open_container(container_url, account_key=account_key, credential=credential) as container,
    ):
        names = set(container.list_blob_names(name_starts_with=MANIFESTS))
        if manifest_name(digest) not in names:
            return DeletedContent(0, 0)
        if open_drafts is not None:
            closed = {name for name in names if (draft := draft_of(name)) is not None and draft[0] not in open_drafts}
            _delete(container, sorted(closed))
            names -= closed
        markers = [name for name in names if name.startswith(marker_name(digest, ""))]
        registered = {uri.rpartition("/")[2].removesuffix(".json") for uri in registered_uris}
        if any(marker.rpartition("/")[2] in registered for marker in markers):
            return DeletedContent(0, 0)
        images, files = ([], []) if keep_images else _needed_by_no_other(container, digest, names)
        _delete(container, [*files, *images, *markers])
        # Last, because it lists what belongs to this content.
        _delete(container, [manifest_name(digest)])
    return DeletedContent(len(images), len(files))


def _needed_by_no_other(container: ContainerClient, digest: str, names: Collection[str]) -> tuple[list[str], list[str]]:
    """The images and annotation files that only this content has. `names` are all blobs below `manifests/`."""
    unneeded = set(_read_manifest(container, digest).images)
    annotation_files, needed_files = set[str](), set[str]()
    for name in names:
        if draft_of(name) is not None and name.endswith(".json"):
            unneeded -= Manifest.from_bytes(container.download_blob(name).readall()).images.keys()
        elif name.endswith(".json"):
            other = name.removeprefix(MANIFESTS).removesuffix(".json")
            if other != digest:
                unneeded -= _read_manifest(container, other).images.keys()
        else:
            named, of_this = name.rpartition("/")[2], name.startswith(marker_name(digest, ""))
            (annotation_files if of_this else needed_files).add(named)
            if draft_of(name) is not None:
                unneeded.discard(named)
    images = [name for name in container.list_blob_names(name_starts_with=IMAGES) if sha256_of_image(name) in unneeded]
    return images, [annotation_name(sha256) for sha256 in sorted(annotation_files - needed_files)]


def digest_uris(
    uris: Sequence[str], kind: str, *, account_key: str | None = None, credential: TokenCredential | None = None
) -> RegisteredContent:
    """A digest of annotation files that are already in blob storage, from their ETags.

    Raises:
        StorageError: a file does not exist, or can't be read.
    """
    e_tags = []
    for uri in uris:
        with storage_errors(uri), open_blob(uri, account_key=account_key, credential=credential) as blob:
            e_tags.append(str(blob.get_blob_properties().etag).strip('"'))
    named = sorted(zip(uris, e_tags, strict=True))
    digest = hashlib.sha256(json.dumps(["vision-blobs 1", str(kind), named]).encode()).hexdigest()
    return RegisteredContent(tuple(uris), tuple(e_tags), digest)


def _upload_images(
    container: ContainerClient, entries: Iterable[ContentEntry], on_progress: Callable[[UploadProgress], None] | None
) -> tuple[int, int]:
    """Upload the missing images; returns the number of images and bytes sent."""
    wanted = {entry.sha256: entry for entry in entries}
    present, all_listed = present_images(container, len(wanted))
    missing = [entry for entry in wanted.values() if entry.blob_name not in present]
    del wanted, present
    bytes_total = sum(entry.size for entry in missing)
    done = sent = sent_bytes = done_bytes = 0

    def upload(entry: ContentEntry) -> tuple[ContentEntry, bool]:
        if not all_listed and container.get_blob_client(entry.blob_name).exists():
            return entry, False
        return entry, write_new(container, entry.blob_name, _read_unchanged(entry), entry.content_type)

    pool = ThreadPoolExecutor(max_workers=CONNECTIONS, thread_name_prefix="upload")
    try:
        for entry, new in _ahead(pool, upload, missing):
            done += 1
            done_bytes += entry.size
            if new:
                sent += 1
                sent_bytes += entry.size
            if on_progress is not None:
                on_progress(UploadProgress(done, len(missing), done_bytes, bytes_total))
    finally:
        pool.shutdown(cancel_futures=True)
    return sent, sent_bytes


def _ahead(
    pool: ThreadPoolExecutor, work: Callable[[ContentEntry], Result], entries: Iterable[ContentEntry]
) -> Iterator[Result]:
    """The results of `work` as they come. Only a few calls wait for a thread, however many entries there are."""
    waiting: set[Future[Result]] = set()
    for entry in entries:
        if len(waiting) == _WAITING_MAX:
            ended, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in ended)
        waiting.add(pool.submit(work, entry))
    yield from (future.result() for future in as_completed(waiting))


def present_images(container: ContainerClient, wanted: int) -> tuple[set[str], bool]:
    """The images in the container, and whether the list is complete."""
    names: set[str] = set()
    for name in container.list_blob_names(name_starts_with=IMAGES):
        names.add(name)
        if len(names) > max(LISTED_MAX, LISTED_MAX_PER_IMAGE * wanted):
            return names, False
    return names, True


def _read_unchanged(entry: ContentEntry) -> bytes:
    try:
        data = Path(entry.path).read_bytes()
    except OSError as error:
        raise StorageError(f"{entry.path}: can no longer be read: {error.strerror or error}") from None
    if hashlib.sha256(data).hexdigest() != entry.sha256:
        raise StorageError(f"{entry.path}: changed during the upload. Run the command again")
    return data


def _read_manifest(container: ContainerClient, digest: str) -> Manifest:
    manifest = Manifest.from_bytes(container.download_blob(manifest_name(digest)).readall())
    if manifest.digest != digest:
        raise StorageError(f"manifests/{digest}.json: does not match its digest, so it was changed after the upload")
    return manifest


def _delete(container: ContainerClient, names: Sequence[str]) -> None:
    from azure.core.exceptions import ResourceNotFoundError

    def delete(name: str) -> None:
        try:
            container.delete_blob(name)
        except ResourceNotFoundError:
            # Deleted by an earlier, interrupted call.
            return

    with ThreadPoolExecutor(max_workers=CONNECTIONS, thread_name_prefix="delete") as pool:
        list(pool.map(delete, names))
