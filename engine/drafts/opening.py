"""How a draft begins: with the content of a dataset, or with nothing."""

from vision_customization.contract.drafts import DraftCreate
from vision_customization.contract.enums import ContentStatus
from vision_customization.engine.content.current import Service as Contents
from vision_customization.engine.content.current import content_of
from vision_customization.engine.drafts.container import Container
from vision_customization.engine.drafts.errors import BaseNotReady, DraftError
from vision_customization.engine.drafts.labels import tag_fault
from vision_customization.engine.drafts.saving import pin_base
from vision_customization.engine.store import ContentIndexRecord, DatasetRecord, DraftRecord


def open_draft(service: Contents, container: Container, name: str, order: DraftCreate, who: str) -> DraftRecord:
    """Create the draft `name`.

    What it begins with is noted in the container, so that its images and annotation files stay there for as long as the draft
    exists.

    Raises:
        AlreadyExists: a draft has the name.
        NotFound: there is no such dataset.
        BaseNotReady: the dataset's content is not read yet.
        ImagesElsewhere: the dataset's images are not in `container`.
        DraftError: the order contradicts itself.
        ContainerRefuses: there is no draft then.
    """
    drafts = service.store.drafts
    for tag in order.tags:
        if fault := tag_fault(tag):
            raise DraftError(f"tags: {fault}.")
    if order.base_dataset is None:
        if order.annotation_kind is None:
            raise DraftError("annotationKind is missing: a draft without a base dataset needs it.")
        target = order.dataset_name or name
        return drafts.create(name, order.annotation_kind, target, container.url, who, tags=order.tags)
    dataset, content = ready_content(service, order.base_dataset)
    if order.annotation_kind not in (None, dataset.annotation_kind):
        raise DraftError(f"annotationKind: the dataset '{dataset.name}' is of kind {dataset.annotation_kind}.")
    draft = drafts.create(
        name,
        dataset.annotation_kind,
        order.dataset_name or dataset.name,
        container.url,
        who,
        base=(dataset.name, dataset.annotation_file_uris, content.index),
        tags=order.tags,
    )
    try:
        pin_base(service.store, container, draft)
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
