"""Calls for drafts of datasets and for the versions that are saved from them. All of them are extensions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vision_customization.contract.datasets import Dataset
from vision_customization.contract.drafts import (
    DRAFT_IMAGES_PAGE_MAX,
    BatchImage,
    BatchResult,
    BatchResults,
    BulkOrder,
    BulkResult,
    ContentChanges,
    DatasetVersion,
    Draft,
    DraftCreate,
    DraftImage,
    DraftImagePage,
    DraftMerge,
    ImageChoice,
    ImageNumbers,
    LabelsBatch,
    TagCreate,
    TagDelete,
    TagRename,
    VersionRegister,
    VersionSave,
)
from vision_customization.contract.enums import AnnotationKind
from vision_customization.customization.client.client_calls import ClientCalls, segment
from vision_customization.customization.client.transport import Reply
from vision_customization.customization.client.typed_calls import parse

STORAGE_SECONDS = 150.0
"""Time limit for an answer that waits for blob storage: the engine itself gives up after two minutes."""


class DraftCalls(ClientCalls):
    """The part of `VisionClient` about drafts and versions. An engine without a container for what people label answers 400; a
    service that knows no drafts answers 404."""

    def begin_draft(
        self,
        name: str,
        *,
        base_dataset: str | None = None,
        base_version: str | None = None,
        annotation_kind: AnnotationKind | None = None,
        dataset_name: str | None = None,
        tags: Sequence[str] = (),
    ) -> Draft:
        """Begin a draft: with the content of `base_dataset`, or of its version `base_version` (a digest); or empty, of kind
        `annotation_kind`.

        Args:
            dataset_name: the dataset that its versions are of. [default: the base dataset, else the draft's name]

        Raises:
            AlreadyExists: a draft has the name.
            BadRequest: the dataset's content is not read yet, or its images are not in the Studio's container.
        """
        body = DraftCreate(
            base_dataset=base_dataset,
            base_version=base_version,
            annotation_kind=annotation_kind,
            dataset_name=dataset_name,
            tags=list(tags),
        )

        def is_ours(found: Draft) -> bool:
            begun_with = found.base.dataset_name if found.base is not None else None
            return begun_with == base_dataset and found.dataset_name == (dataset_name or base_dataset or name)

        def put() -> Reply:
            return self._transport.send("PUT", _draft(name), json=body.to_wire(), answer_seconds=STORAGE_SECONDS)

        return self._calls.created(Draft, _draft(name), is_ours, put)

    def get_draft(self, name: str) -> Draft:
        return self._calls.get(Draft, _draft(name))

    def list_drafts(self) -> Iterator[Draft]:
        """All drafts, the one changed last first."""
        return self._calls.list(Draft, "/drafts")

    def delete_draft(self, name: str) -> None:
        """Delete a draft, with everything that was not saved as a version."""
        self._calls.delete(_draft(name))

    def draft_changes(self, name: str) -> list[str]:
        """What a draft has changed, in words."""
        return parse(ContentChanges, self._transport.send("GET", f"{_draft(name)}/changes").json()).changes

    def merge_draft(self, name: str) -> DraftMerge:
        """Merge what the dataset has now into a draft, image by image."""
        reply = self._transport.send("POST", f"{_draft(name)}:merge", answer_seconds=STORAGE_SECONDS)
        return parse(DraftMerge, reply.json())

    def save_draft(self, name: str, message: str | None = None) -> DatasetVersion:
        """Save what a draft holds as a version. The same content is the same version.

        Raises:
            BadRequest: the draft is empty, or has conflicts.
        """
        body = VersionSave(message=message).to_wire()
        reply = self._transport.send("POST", f"{_draft(name)}:save", json=body, answer_seconds=STORAGE_SECONDS)
        return parse(DatasetVersion, reply.json())

    # What is in a draft

    def draft_images(
        self,
        name: str,
        *,
        tag: str | None = None,
        only: ImageChoice | None = None,
        skip: int = 0,
        top: int = DRAFT_IMAGES_PAGE_MAX,
    ) -> DraftImagePage:
        """One page of a draft's images, by number."""
        given = {"tag": tag, "only": only, "skip": skip, "top": top}
        params = {key: str(value) for key, value in given.items() if value is not None}
        return parse(DraftImagePage, self._transport.send("GET", f"{_draft(name)}/images", params=params).json())

    def add_draft_image(self, name: str, image: bytes, file_name: str) -> DraftImage:
        """Add a picture to a draft; one that it has already is returned as it is there.

        Raises:
            BadRequest: it is not a picture that a dataset can have.
        """
        headers = {"Content-Type": "application/octet-stream"}
        reply = self._transport.send(
            "POST",
            f"{_draft(name)}/images",
            params={"fileName": file_name},
            data=image,
            headers=headers,
            answer_seconds=STORAGE_SECONDS,
        )
        return parse(DraftImage, reply.json())

    def label_draft_images(self, name: str, images: Sequence[BatchImage]) -> list[BatchResult]:
        """Set the labels of up to 200 images; one with an `e_tag` only if nobody else has changed it since."""
        body = LabelsBatch(images=list(images)).to_wire()
        return parse(BatchResults, self._transport.send("POST", f"{_draft(name)}/images:label", json=body).json()).value

    def change_draft_images(self, name: str, order: BulkOrder) -> BulkResult:
        """Change all images that a filter selects, or with `preview` learn what that would change."""
        path = f"{_draft(name)}/images:change"
        reply = self._transport.send("POST", path, json=order.to_wire(), answer_seconds=STORAGE_SECONDS)
        return parse(BulkResult, reply.json())

    def remove_draft_images(self, name: str, numbers: Sequence[int]) -> None:
        """Remove up to 200 images; `restore_draft_images` brings them back, with their labels."""
        body = ImageNumbers(numbers=list(numbers)).to_wire()
        self._transport.send("POST", f"{_draft(name)}/images:remove", json=body)

    def restore_draft_images(self, name: str, numbers: Sequence[int]) -> None:
        body = ImageNumbers(numbers=list(numbers)).to_wire()
        self._transport.send("POST", f"{_draft(name)}/images:restore", json=body)

    def add_draft_tag(self, name: str, tag: str) -> Draft:
        return parse(Draft, self._transport.send("POST", f"{_draft(name)}/tags", json=TagCreate(name=tag).to_wire()).json())

    def rename_draft_tag(self, name: str, tag: str, new_name: str, *, merge: bool = False) -> None:
        """Raises AlreadyExists if another tag has the new name and `merge` is not set: then it makes one tag of both."""
        body = TagRename(tag=tag, name=new_name, merge=merge).to_wire()
        self._transport.send("POST", f"{_draft(name)}/tags:rename", json=body)

    def delete_draft_tag(self, name: str, tag: str) -> None:
        """Delete a tag of a draft, and all labels of it."""
        self._transport.send("POST", f"{_draft(name)}/tags:delete", json=TagDelete(tag=tag).to_wire())

    # Versions

    def list_versions(self, dataset_name: str) -> Iterator[DatasetVersion]:
        """The versions of a dataset, the newest first."""
        return self._calls.list(DatasetVersion, _versions(dataset_name))

    def get_version(self, dataset_name: str, digest: str) -> DatasetVersion:
        return self._calls.get(DatasetVersion, _version(dataset_name, digest))

    def version_changes(self, dataset_name: str, digest: str, other: str) -> list[str]:
        """What is different in a version from the version `other` of the same dataset, in words."""
        path, params = f"{_version(dataset_name, digest)}/changes", {"from": other}
        reply = self._transport.send("GET", path, params=params, answer_seconds=STORAGE_SECONDS)
        return parse(ContentChanges, reply.json()).changes

    def register_version(self, dataset_name: str, digest: str, *, name: str | None = None, replace: bool = False) -> Dataset:
        """Register the content of a version as the dataset `name`: by default the one that the version is of. A dataset that
        has this content already stays as it is.

        Args:
            replace: give a dataset that has other content this one.

        Raises:
            AlreadyExists: the dataset has other content, and `replace` is not set; or it is of another kind, or a Pulumi stack
                declares it.
        """
        body = VersionRegister(dataset_name=name, replace=replace).to_wire()
        return parse(Dataset, self._transport.send("POST", f"{_version(dataset_name, digest)}:register", json=body).json())

    def version_annotations(self, dataset_name: str, digest: str) -> bytes:
        """The COCO file of a version."""
        return self._file(f"{_version(dataset_name, digest)}/annotations")

    def version_base(self, dataset_name: str, digest: str, number: int = 0) -> bytes:
        """A COCO file that the version's draft began with. The first has number 0; a version says how many there are.

        Raises:
            NotFound: the draft began with none, or the file is no longer in storage.
        """
        return self._file(f"{_version(dataset_name, digest)}/base/{number}")

    def version_image(self, dataset_name: str, digest: str, file: str) -> bytes:
        """An image of a version, as it was uploaded. `file` is its name in storage: its SHA-256 and its extension."""
        return self._file(f"{_version(dataset_name, digest)}/images/{segment(file)}")

    def _file(self, path: str) -> bytes:
        headers = {"Accept": "*/*"}
        return self._transport.send("GET", path, headers=headers, answer_seconds=STORAGE_SECONDS).response.content


def _draft(name: str) -> str:
    return f"/drafts/{segment(name)}"


def _versions(dataset_name: str) -> str:
    return f"/datasets/{segment(dataset_name)}/versions"


def _version(dataset_name: str, digest: str) -> str:
    return f"{_versions(dataset_name)}/{segment(digest)}"
