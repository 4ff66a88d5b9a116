"""A draft follows its dataset: what that has now is merged into it, image by image."""

from collections.abc import Iterator
from typing import Protocol

from vision_customization.common.dataset_content.blob_names import IMAGES
from vision_customization.contract.drafts import DraftMerge
from vision_customization.contract.enums import AnnotationKind
from vision_customization.engine.content.current import Service as Contents
from vision_customization.engine.drafts.container import Container
from vision_customization.engine.drafts.errors import DraftError
from vision_customization.engine.drafts.opening import ready_content
from vision_customization.engine.drafts.saving import pin_base
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import ContentIndexRecord, DraftRecord, ImagesElsewhere, Store
from vision_customization.engine.store.draft_records import DraftLabel, NewDraftImage

_PAGE = 500


class Service(Contents, Protocol):
    """The parts of the engine that a merge needs."""

    @property
    def settings(self) -> Settings: ...


def merge_draft(service: Service, container: Container, name: str, who: str) -> DraftMerge:
    """Merge a draft with what its dataset has now.

    Raises:
        NotFound: there is no such draft, or its dataset is gone.
        BaseNotReady: the dataset's content is not read yet.
        ImagesElsewhere: an image of the dataset is not in the draft's container.
        DraftError: the draft began with no dataset.
    """
    draft = service.store.drafts.find(name)
    if draft.base_dataset is None:
        raise DraftError(f"The draft '{name}' began with no dataset, so there is nothing to merge.")
    dataset, content = ready_content(service, draft.base_dataset)
    theirs = list(images_of_content(service.store, draft, content))
    counts = service.store.drafts.merge(name, dataset.annotation_file_uris, theirs, who)
    pin_base(service.settings.data_dir, service.store, container, service.store.drafts.find(name))
    return DraftMerge(
        taken=counts.taken, kept=counts.kept, added=counts.added, removed=counts.removed, conflicts=counts.conflicts
    )


def images_of_content(store: Store, draft: DraftRecord, content: ContentIndexRecord) -> Iterator[NewDraftImage]:
    """The images of a content index, as a draft of the same container has them. Raises ImagesElsewhere."""
    single = draft.annotation_kind is AnnotationKind.IMAGE_CLASSIFICATION
    start = f"{draft.container}/{IMAGES}"
    for position in range(0, content.images, _PAGE):
        for image in store.content.page(content.index, position, _PAGE).images:
            sha256, dot, extension = image.url.removeprefix(start).partition(".")
            if not image.url.startswith(start) or len(sha256) != 64 or not dot or image.query_encrypted is not None:
                raise ImagesElsewhere(content.dataset_name, image.url, draft.container)
            labels = tuple(DraftLabel(label.tag, label.box) for label in image.labels)
            settled = bool(labels) or not single
            yield NewDraftImage(sha256, f".{extension}", image.file_name, image.width, image.height, labels, settled)
