"""How a draft begins: with the content of a dataset, with that of a version, or with nothing."""

from typing import Protocol

from vision_customization.contract.drafts import DraftCreate
from vision_customization.contract.enums import AnnotationKind, ContentStatus
from vision_customization.engine.content.current import Service as Contents
from vision_customization.engine.content.current import content_of
from vision_customization.engine.drafts.container import Container
from vision_customization.engine.drafts.errors import BaseNotReady, DraftError
from vision_customization.engine.drafts.labels import tag_fault
from vision_customization.engine.drafts.saving import pin_base
from vision_customization.engine.drafts.version_files import Service as VersionFiles
from vision_customization.engine.drafts.version_files import check_container, version_images
from vision_customization.engine.store import ContentIndexRecord, DatasetRecord, DraftRecord, VersionRecord
from vision_customization.engine.store.draft_base import BaseImages


class Service(Contents, VersionFiles, Protocol):
    """The parts of the engine that the beginning of a draft needs."""


def open_draft(service: Service, container: Container, name: str, order: DraftCreate, who: str) -> DraftRecord:
    """Create the draft `name`.

    What it begins with is noted in the container, so that its images and annotation files stay there for as long as the draft
    exists.

    Raises:
        AlreadyExists: a draft has the name.
        NotFound: there is no such dataset, or no such version of it.
        BaseNotReady: the dataset's content is not read yet.
        ImagesElsewhere: the dataset's images are not in `container`.
        DraftError: the order contradicts itself.
        ContainerRefuses: there is no draft then.
    """
    for tag in order.tags:
        if fault := tag_fault(tag):
            raise DraftError(f"tags: {fault}.")
    if order.base_dataset is None:
        if order.base_version is not None:
            raise DraftError("baseDataset is missing: name the dataset whose version `baseVersion` is.")
        if order.annotation_kind is None:
            raise DraftError("annotationKind is missing: a draft without a base dataset needs it.")
        target = order.dataset_name or name
        return service.store.drafts.create(name, order.annotation_kind, target, container.url, who, tags=order.tags)
    if order.base_version is not None:
        version = service.store.versions.find(order.base_dataset, order.base_version)
        return _of_version(service, container, name, order, version, who)
    dataset, content = ready_content(service, order.base_dataset)
    base = (dataset.name, dataset.annotation_file_uris, content.index)
    return _begun(service, container, name, order, dataset.annotation_kind, base, who)


def _of_version(
    service: Service, container: Container, name: str, order: DraftCreate, version: VersionRecord, who: str
) -> DraftRecord:
    """A draft with the content of a version. If the dataset has that content now, whatever its files, the draft is based on
    these: there is nothing to merge."""
    check_container(version, container)
    uris: tuple[str, ...] = (version.annotation_file_uri,)
    if version.dataset_name in service.store.versions.registered([version.digest]).get(version.digest, ()):
        uris = service.store.datasets.find(version.dataset_name).annotation_file_uris
    with version_images(service, version) as images:
        base = (version.dataset_name, uris, images)
        return _begun(service, container, name, order, version.annotation_kind, base, who)


def _begun(
    service: Service,
    container: Container,
    name: str,
    order: DraftCreate,
    kind: AnnotationKind,
    base: tuple[str, tuple[str, ...], int | BaseImages],
    who: str,
) -> DraftRecord:
    if order.annotation_kind not in (None, kind):
        raise DraftError(f"annotationKind: the dataset '{base[0]}' is of kind {kind}.")
    drafts = service.store.drafts
    draft = drafts.create(name, kind, order.dataset_name or base[0], container.url, who, base=base, tags=order.tags)
    try:
        pin_base(service.settings.data_dir, service.store, container, draft)
    except BaseException:
        drafts.delete(name)
        raise
    return draft


def ready_content(service: Contents, dataset_name: str) -> tuple[DatasetRecord, ContentIndexRecord]:
    """A dataset and its content, which a worker has read. Raises NotFound, BaseNotReady."""
    dataset = service.store.datasets.find(dataset_name)
    content = content_of(service, dataset_name)
    newest = content.successor or content
    if newest.status is ContentStatus.FAILED and newest.error is not None:
        raise BaseNotReady(f"The content of the dataset '{dataset_name}' cannot be read: {newest.error.message}")
    if newest.status is not ContentStatus.READY:
        raise BaseNotReady(f"The content of the dataset '{dataset_name}' is not read yet. Try again in a moment.")
    return dataset, content
