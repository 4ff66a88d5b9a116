"""Copying a dataset that is in storage to another container, under the names of its contents: `vision datasets copy`.

Images come first, then the annotation files, then the manifest. What the container has is not copied again, so that an
interrupted copy goes on where it ended. If an image can't be copied, it is listed, and the annotation files are not written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Protocol

from vision_customization.common.blob_container import ensure_container, open_container, storage_errors
from vision_customization.common.dataset_content.blob_names import (
    IMAGES,
    stored_name,
    write_new,
)
from vision_customization.common.dataset_content.image_formats import FORMATS
from vision_customization.common.dataset_content.manifest import manifest_of
from vision_customization.common.errors import VisionError
from vision_customization.common.redaction import without_query
from vision_customization.contract.coco.document import CocoFile, CocoImage
from vision_customization.contract.coco.streamed import read_document
from vision_customization.contract.limits import IMAGE_BYTES_MAX
from vision_customization.customization.datasets.image_facts import read_image
from vision_customization.customization.datasets.labelled_file import ContentEntry, LabelledFile
from vision_customization.customization.datasets.stored_files import write_files
from vision_customization.customization.datasets.upload import present_images
from vision_customization.customization.datasets.version_content import labels_by_image, valid_coco
from vision_customization.customization.errors import DatasetInvalid, ImageUnreadable

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.storage.blob import ContainerClient

_FORMAT_OF = {each.extension: name for name, each in FORMATS.items()}


class ImageRefused(VisionError):
    """An image that can't be copied, while others can."""


class CopySource(Protocol):
    """Where a dataset is read from. `connections` says how many images are read at a time."""

    connections: int

    def annotation_files(self) -> Sequence[tuple[str, bytes]]:
        """Its COCO files, with their names for messages."""
        ...

    def image(self, url: str) -> bytes:
        """Raises ImageRefused if this image is not there; other errors end the copy."""
        ...


@dataclass(frozen=True, slots=True)
class Refused:
    """An image that was not copied, and why. `url` is without its query."""

    url: str
    reason: str


@dataclass(frozen=True, slots=True)
class Copied:
    """What was copied. With `refused`, there are no annotation files, and the digest is empty."""

    images: int
    copied_images: int
    copied_bytes: int
    digest: str = ""
    annotation_uris: tuple[str, ...] = ()
    refused: tuple[Refused, ...] = ()


def copy_dataset(
    source: CopySource,
    kind: str,
    container_url: str,
    *,
    account_key: str | None = None,
    credential: TokenCredential | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Copied:
    """Copy a dataset to a container, which is created if it does not exist.

    Args:
        kind: an `AnnotationKind`.
        account_key: of the container's account; by default `credential`, and without that the caller's Entra identity.
        on_progress: called with (done, total) of the images.

    Raises:
        DatasetInvalid: an annotation file breaks the contract.
        VisionError: source or container can't be reached, or refuse. The same call goes on from there.
    """
    files = [_read(data, kind, name) for name, data in source.annotation_files()]
    ensure_container(container_url, account_key=account_key, credential=credential)
    with (
        storage_errors(f"copy to {container_url}"),
        open_container(container_url, account_key=account_key, credential=credential) as container,
    ):
        images = {image.url: image for file in files for image in file.images if image.url is not None}
        copied = _copy_images(source, container, images, on_progress)
        refused = tuple(each for each in copied.values() if isinstance(each, Refused))
        new = [each for each in copied.values() if isinstance(each, _Copy) and each.new]
        counts = sum(len(file.images) for file in files), len(new), sum(each.entry.size for each in new)
        if refused:
            return Copied(*counts, refused=refused)
        entries = {url: each.entry for url, each in copied.items() if isinstance(each, _Copy)}
        return Copied(*counts, *_write_files(container, container_url.rstrip("/"), files, entries, kind))


@dataclass(frozen=True, slots=True)
class _Copy:
    entry: ContentEntry
    new: bool


def _read(data: bytes, kind: str, name: str) -> CocoFile:
    document, unreadable = read_document(BytesIO(data), name)
    if unreadable is not None:
        raise DatasetInvalid([unreadable])
    file = valid_coco(document, kind, name)
    if (without := next((image for image in file.images if not image.url), None)) is not None:
        raise VisionError(f"{name}: images[{without.index}]: has no absolute_url, so the image can't be read")
    return file


def _copy_images(
    source: CopySource,
    container: ContainerClient,
    images: Mapping[str, CocoImage],
    on_progress: Callable[[int, int], None] | None,
) -> dict[str, _Copy | Refused]:
    """The result for each URL."""
    present, _ = present_images(container, len(images))
    results: dict[str, _Copy | Refused] = {}

    def copy(image: CocoImage) -> _Copy | Refused:
        assert image.url is not None
        try:
            return _copy(source.image(image.url), image, container)
        except (ImageRefused, ImageUnreadable) as error:
            return Refused(without_query(image.url), str(error))

    done = 0
    pool = ThreadPoolExecutor(max_workers=source.connections, thread_name_prefix="copy")
    try:
        waiting: dict[Future[_Copy | Refused], str] = {}
        for url, image in images.items():
            name = stored_name(url)
            if name is not None and f"{IMAGES}{name[0]}{name[1]}" in present:
                results[url] = _Copy(_entry(image, name[0], _FORMAT_OF[name[1]], 0), new=False)
                done += 1
            else:
                waiting[pool.submit(copy, image)] = url
        for future in as_completed(waiting):
            results[waiting[future]] = future.result()
            done += 1
            if on_progress is not None:
                on_progress(done, len(images))
    finally:
        pool.shutdown(cancel_futures=True)
    return {url: results[url] for url in images}


def _copy(data: bytes, image: CocoImage, container: ContainerClient) -> _Copy:
    if len(data) > IMAGE_BYTES_MAX:
        raise ImageRefused(f"has {len(data):,} bytes; at most {IMAGE_BYTES_MAX:,} are allowed")
    sha256 = hashlib.sha256(data).hexdigest()
    named = stored_name(image.url or "")
    if named is not None and named[0] != sha256:
        raise ImageRefused("is another file than its name says")
    facts = read_image(data, sha256)
    entry = ContentEntry("", image.file_name, sha256, facts.width, facts.height, len(data), facts.format)
    return _Copy(entry, write_new(container, entry.blob_name, data, entry.content_type))


def _entry(image: CocoImage, sha256: str, file_format: str, size: int) -> ContentEntry:
    return ContentEntry("", image.file_name, sha256, int(image.width), int(image.height), size, file_format)


def _write_files(
    container: ContainerClient, root: str, files: Sequence[CocoFile], entries: Mapping[str, ContentEntry], kind: str
) -> tuple[str, tuple[str, ...]]:
    """Write the annotation files and the manifest; returns the content's digest and the files' URIs."""
    of_file = [tuple(entries[image.url or ""] for image in file.images) for file in files]
    manifest = manifest_of(
        str(kind),
        (
            (entry.sha256, labels)
            for file, listed in zip(files, of_file, strict=True)
            for entry, labels in zip(listed, labels_by_image(file), strict=True)
        ),
    )
    labelled = [LabelledFile(file, listed) for file, listed in zip(files, of_file, strict=True)]
    return manifest.digest, tuple(write_files(container, root, labelled, manifest))
