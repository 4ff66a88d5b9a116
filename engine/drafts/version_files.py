"""The files of versions, which lie in the container of the Studio: read for those who compare, copy or continue a version."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Protocol

from vision_customization.common.dataset_content.blob_names import manifest_name, stored_name
from vision_customization.common.dataset_content.manifest import Manifest, compare
from vision_customization.common.errors import VisionError
from vision_customization.contract.content_reference import content_reference
from vision_customization.contract.enums import Purpose
from vision_customization.contract.limits import IMAGE_BYTES_MAX
from vision_customization.engine.annotations import AnnotationError
from vision_customization.engine.annotations.content import DatasetContent
from vision_customization.engine.blobs.access import Access, Reader, Spooler
from vision_customization.engine.blobs.reader import Blob, BlobError, BlobErrorKind, Spooled
from vision_customization.engine.drafts.container import Container
from vision_customization.engine.drafts.errors import ContainerRefuses, DraftError, NoStudioContainer
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import ImagesElsewhere, NotFound, Store, VersionRecord
from vision_customization.engine.store.draft_base import BaseImages
from vision_customization.engine.store.draft_records import DraftLabel, NewDraftImage

ANNOTATIONS_BYTES_MAX = 512 * 1024 * 1024
"""Of some 800,000 images. `vision datasets copy` reads larger files from storage itself."""
READ_SECONDS_MAX = 120.0


class Blobs(Reader, Spooler, Protocol):
    """Reads blobs, also into files."""


class Service(Protocol):
    """The parts of the engine that reading needs."""

    @property
    def settings(self) -> Settings: ...

    @property
    def store(self) -> Store: ...

    @property
    def blobs(self) -> Blobs: ...

    @property
    def studio_container(self) -> Container | None: ...


def read_version_file(service: Service, version: VersionRecord, url: str, max_bytes: int = IMAGE_BYTES_MAX) -> bytes:
    """A blob of a version. Raises NotFound, NoStudioContainer, ContainerRefuses."""
    with _reading(version, url):
        blob = _access(service, version, url).read(service.blobs, url, max_bytes=max_bytes, limit_seconds=READ_SECONDS_MAX)
    assert isinstance(blob, Blob), "only a read with an etag is answered otherwise"
    return blob.data


def spool_version_file(service: Service, version: VersionRecord, url: str, file: BinaryIO) -> int:
    """Write a COCO file of a version to `file`, and go to its start, so that its size takes no memory; returns its bytes.
    Raises as `read_version_file`."""
    with _reading(version, url):
        spooled = _access(service, version, url).spool(
            service.blobs, url, file, max_bytes=ANNOTATIONS_BYTES_MAX, limit_seconds=READ_SECONDS_MAX
        )
    assert isinstance(spooled, Spooled), "only a read with an etag is answered otherwise"
    file.seek(0)
    return spooled.size_bytes


def _access(service: Service, version: VersionRecord, url: str) -> Access:
    if service.studio_container is None:
        raise NoStudioContainer
    kind, token = service.studio_container.authentication
    datasets = service.store.datasets
    return datasets.access(datasets.unregistered(version.dataset_name, version.annotation_kind, [url], kind, token))


@contextmanager
def _reading(version: VersionRecord, url: str) -> Iterator[None]:
    try:
        yield
    except BlobError as error:
        if error.kind is BlobErrorKind.NOT_FOUND:
            raise NotFound("version", f"{version.digest}: {url.rpartition('/')[2]}") from None
        raise ContainerRefuses(error.message) from None


def check_container(version: VersionRecord, container: Container) -> None:
    """Raises DraftError if the version is in another container than the one that the engine writes to now."""
    if version.container != container.url:
        raise DraftError(
            f"The version {content_reference(version.digest)} is in {version.container}, and the engine now writes to "
            f"{container.url}. Set VISION_ENGINE_STUDIO_CONTAINER to the container of the version."
        )


def version_changes(service: Service, version: VersionRecord, before: VersionRecord) -> list[str]:
    """What is different in a version from another one, in words. Raises as `read_version_file`."""
    return compare(_manifest(service, before), _manifest(service, version)).summary()


@contextmanager
def version_images(service: Service, version: VersionRecord) -> Iterator[BaseImages]:
    """The images of a version, from its COCO file, which is read one entry after the other.

    Raises:
        NotFound, NoStudioContainer, ContainerRefuses: as `read_version_file`, or the file is damaged.
        ImagesElsewhere: while the images are read, if one is not in the container of the version.
    """
    folder = service.settings.data_dir
    with (
        tempfile.TemporaryFile(dir=folder) as file,
        DatasetContent(folder, version.annotation_kind, Purpose.TRAINING) as content,
    ):
        spool_version_file(service, version, version.annotation_file_uri, file)
        try:
            content.add(file, version.annotation_file_uri.rpartition("/")[2])
        except AnnotationError as error:
            raise ContainerRefuses(f"The COCO file of version {version.digest} cannot be read: {error}.") from None
        tags = content.tag_names()
        yield BaseImages(tags, _images(version, content, tags))


def _images(version: VersionRecord, content: DatasetContent, tags: list[str]) -> Iterator[NewDraftImage]:
    for image in content.images():
        stored = stored_name(image.url)
        if stored is None or image.url != f"{version.container}/images/{stored[0]}{stored[1]}":
            raise ImagesElsewhere(version.dataset_name, image.url.partition("?")[0], version.container)
        labels = tuple(DraftLabel(tags[label.tag], label.box) for label in image.labels)
        yield NewDraftImage(*stored, image.file_name, image.width, image.height, labels)


def _manifest(service: Service, version: VersionRecord) -> Manifest:
    data = read_version_file(service, version, f"{version.container}/{manifest_name(version.digest)}", ANNOTATIONS_BYTES_MAX)
    try:
        return Manifest.from_bytes(data)
    except VisionError as error:
        raise ContainerRefuses(f"The manifest of version {version.digest} cannot be read: {error}.") from None
