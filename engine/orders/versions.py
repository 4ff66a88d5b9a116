"""Versions that become registered datasets."""

from vision_customization.contract.content_reference import content_reference
from vision_customization.contract.owners import MANAGED_BY, PULUMI, owner_of
from vision_customization.contract.texts import sentence
from vision_customization.engine.drafts.container import Container
from vision_customization.engine.drafts.errors import DatasetInTheWay, NotSaved
from vision_customization.engine.drafts.saving import Report, save_version, unreported
from vision_customization.engine.drafts.version_files import check_container
from vision_customization.engine.orders.collaborators import Collaborators
from vision_customization.engine.store import (
    AlreadyExists,
    DatasetRecord,
    DraftRecord,
    NotFound,
    PreconditionFailed,
    VersionRecord,
)

STUDIO = "studio"
"""`managedBy` of a dataset that the Studio registers."""
DIGITS = 8
"""Of a version's digest, in the name of a dataset that has its content beside the one that is declared."""
_ATTEMPTS = 3
"""To register a version while others change its dataset without changing its content."""


def save_and_register(
    service: Collaborators,
    container: Container,
    draft: DraftRecord,
    who: str,
    message: str | None,
    report: Report = unreported,
) -> tuple[VersionRecord, DatasetRecord | None]:
    """Save a version. Its dataset gets the content, and the draft is based on that from then on. But if a stack declares the
    dataset, the version waits for its way back to git, and there is no dataset in the result.

    Raises:
        NotSaved: the draft is empty or has conflicts, or its dataset has changed since the draft began. If the dataset changed
            while the version was saved, the version is there, as the text says.
        ContainerRefuses: the dataset stays as it is then.
    """
    draft = service.store.drafts.find(draft.name)
    e_tags = _replaceable(service, draft)
    in_place = e_tags is not None and draft.base_dataset in (None, draft.dataset_name)
    version = save_version(service.store, container, draft, who, message, pins=in_place, report=report)
    dataset = None if e_tags is None else _register_saved(service, container, draft, version, e_tags)
    if dataset is not None and in_place:
        service.store.drafts.rebase(draft, dataset.name, dataset.annotation_file_uris)
    return version, dataset


def _register_saved(
    service: Collaborators, container: Container, draft: DraftRecord, version: VersionRecord, e_tags: frozenset[str]
) -> DatasetRecord | None:
    """Register a version that was just saved, if the dataset still has one of the eTags. If it has not, look at it again: None
    if a stack declares it now. Raises NotSaved."""
    saved = f"The version {content_reference(version.digest)} was saved, but is not registered. "
    for _ in range(_ATTEMPTS):
        try:
            return register_version(service, container, version, if_match=e_tags)
        except (PreconditionFailed, AlreadyExists, NotFound):
            try:
                found = _replaceable(service, draft)
            except NotSaved as error:
                raise NotSaved(f"{saved}{error}") from None
            if found is None:
                return None
            e_tags = found
    raise NotSaved(f"{saved}Others change the dataset '{draft.dataset_name}' at the moment. Save the draft again.")


def _replaceable(service: Collaborators, draft: DraftRecord) -> frozenset[str] | None:
    """The eTags that the dataset may have when it gets the draft's content: its own now, or none if there is no dataset yet.
    None if a stack declares it. Raises NotSaved if it has other content than the draft began with."""
    try:
        dataset = service.store.datasets.find(draft.dataset_name)
    except NotFound:
        return frozenset()
    owner = owner_of(dataset.managed_by)
    if owner is not None and owner.tool == PULUMI:
        return None
    if draft.base_dataset != draft.dataset_name:
        raise NotSaved(
            f"The draft '{draft.name}' did not begin with the dataset '{draft.dataset_name}', which exists and would be "
            "overwritten. Begin a draft of that dataset, or delete the dataset."
        )
    if dataset.annotation_kind is not draft.annotation_kind:
        raise NotSaved(
            f"The dataset '{draft.dataset_name}' is of kind {dataset.annotation_kind}, and the draft '{draft.name}' of kind "
            f"{draft.annotation_kind}. Delete the dataset, or begin another draft."
        )
    if dataset.annotation_file_uris != draft.base_uris:
        raise NotSaved(
            f"The dataset '{draft.dataset_name}' has changed since the draft '{draft.name}' began, and would be overwritten. "
            "Merge the draft first."
        )
    return frozenset({dataset.e_tag})


def is_declared(service: Collaborators, dataset_name: str) -> bool:
    """Whether a Pulumi stack declares the dataset."""
    try:
        owner = owner_of(service.store.datasets.find(dataset_name).managed_by)
    except NotFound:
        return False
    return owner is not None and owner.tool == PULUMI


def register_as(
    service: Collaborators, container: Container, version: VersionRecord, name: str, *, replace: bool
) -> tuple[DatasetRecord, bool]:
    """Register the content of a version as the dataset `name`. The result says whether the dataset is new. One that has the
    content already stays as it is.

    Raises:
        DatasetInTheWay: a Pulumi stack declares the dataset; or it has other content, and `replace` is not set; or it is of
            another kind.
        PreconditionFailed: somebody else has just changed the dataset.
        DraftError: the version is not in `container`.
    """
    try:
        found = service.store.datasets.find(name)
    except NotFound:
        return register_version(service, container, version, name), True
    if name in service.store.versions.registered([version.digest]).get(version.digest, ()):
        return found, False
    reference, owner = content_reference(version.digest), owner_of(found.managed_by)
    if owner is not None and owner.tool == PULUMI:
        raise DatasetInTheWay(
            name,
            f"{sentence(str(owner))} declares the dataset '{name}', so only the stack changes it. Register the version under "
            f"another name, or bring it to git: `content: {reference}` in the stack's file, or `vision datasets pull`.",
        )
    if found.annotation_kind is not version.annotation_kind:
        raise DatasetInTheWay(
            name,
            f"The dataset '{name}' is of kind {found.annotation_kind}, and the version of kind {version.annotation_kind}. "
            "Choose another name.",
        )
    if not replace:
        raise DatasetInTheWay(
            name,
            f"The name '{name}' is taken by a dataset with other content. Choose another name, or pass `replace` to give that "
            "dataset this content.",
        )
    return register_version(service, container, version, name, frozenset({found.e_tag})), False


def register_version(
    service: Collaborators,
    container: Container,
    version: VersionRecord,
    name: str | None = None,
    if_match: frozenset[str] | None = None,
) -> DatasetRecord:
    """Register the content of a version as the dataset `name`, by default its own; one that is registered gets the content.

    Raises:
        AlreadyExists: the dataset that has the name is of another kind.
        PreconditionFailed: its eTag is not in `if_match`.
        DraftError: the version is not in `container`, whose rights read no other.
    """
    check_container(version, container)
    datasets, name = service.store.datasets, name or version.dataset_name
    kind, token = container.authentication
    uris = [version.annotation_file_uri]
    try:
        found = datasets.find(name)
    except NotFound:
        return datasets.create(
            name,
            version.annotation_kind,
            uris,
            authentication_kind=kind,
            sas_token=token,
            custom_properties={MANAGED_BY: STUDIO},
        )
    if found.annotation_kind is not version.annotation_kind:
        raise AlreadyExists("dataset", name)
    if found.annotation_file_uris == tuple(uris):
        return found
    return datasets.update(name, if_match=if_match, annotation_file_uris=uris, authentication=(kind, token))


def dataset_beside(service: Collaborators, container: Container, version: VersionRecord) -> DatasetRecord:
    """A dataset to train from with the content of a version, beside the one that a stack declares: `shelf-1a2b3c4d`."""
    return register_version(service, container, version, f"{version.dataset_name}-{version.digest[:DIGITS]}")
