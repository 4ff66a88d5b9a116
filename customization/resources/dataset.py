"""The Dataset resource: labelled images in a folder or in blob storage, registered with the service."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi import dynamic

from vision_customization.common.errors import StorageError, VisionError
from vision_customization.common.loopback import is_stopped
from vision_customization.contract.content_changes import counted_changes
from vision_customization.contract.content_reference import digest_of_reference
from vision_customization.contract.enums import AnnotationKind, Purpose
from vision_customization.contract.owners import MANAGED_BY, RESERVED
from vision_customization.contract.texts import counted
from vision_customization.customization.datasets.content import Content, check_dataset, describe
from vision_customization.customization.datasets.digest_cache import DigestCache
from vision_customization.customization.datasets.registration import reading_with, register_dataset
from vision_customization.customization.datasets.source import DatasetSource, read_dataset
from vision_customization.customization.datasets.stored_content import find_stored
from vision_customization.customization.datasets.upload import (
    UploadProgress,
    delete_content,
    digest_uris,
    missing_blobs,
    upload_content,
)
from vision_customization.customization.errors import DatasetInvalid, NotFound
from vision_customization.customization.resources import training_overlap
from vision_customization.customization.resources.connection import CONNECTION_PROPERTIES, Workspace, client
from vision_customization.customization.resources.kept_manifests import (
    STATE_FOLDER,
    changed_content,
    keep_manifest,
    kept_manifest,
    manifest_numbers,
    stored_contents,
)
from vision_customization.customization.resources.owner import this_stack
from vision_customization.customization.resources.provider import (
    PREVIEW_LIMIT,
    Properties,
    VisionProvider,
    failures,
    is_known,
    name_failures,
)
from vision_customization.customization.resources.row import Row, row_urn

if TYPE_CHECKING:
    from vision_customization.contract.datasets import Authentication
    from vision_customization.contract.datasets import Dataset as RegisteredDataset
    from vision_customization.contract.drafts import Draft
    from vision_customization.customization.client.client import VisionClient

PROGRESS_INTERVAL_SECONDS = 0.5

CHANGED_OUTSIDE = "changed outside Pulumi"
"""The digest of a dataset whose annotation files were changed outside Pulumi."""

GONE = "gone from storage"
"""The digest of a dataset whose annotation files are no longer in blob storage."""


class DatasetProvider(VisionProvider):
    noun = "dataset"
    inputs = (
        *CONNECTION_PROPERTIES,
        "dataset_name",
        "annotation_kind",
        "annotation_files",
        "source",
        "uris",
        "content",
        "purpose",
        "custom_properties",
        "managed_by",
        "delete_images",
        "digest",
        "images",
        "tags",
    )
    identity = ("endpoint", "dataset_name")

    def check(self, olds: Properties, news: Properties) -> dynamic.CheckResult:
        """Read and check the whole dataset: previews and error messages come from here."""
        named = name_failures("dataset_name", news.get("dataset_name"), "Give this Dataset another `dataset_name`")
        if wrong := wrong_arguments(news):
            return dynamic.CheckResult(news, [*named, *wrong])
        if news.get("content") is not None:
            checked = self._check_content(olds, news)
        else:
            checked = self._check_files(news) if news.get("uris") is None else self._check_uris(olds, news)
        return dynamic.CheckResult(checked.inputs, [*named, *checked.failures])

    @staticmethod
    def _check_files(news: Properties) -> dynamic.CheckResult:
        if not is_known(news.get("source"), news.get("annotation_files"), news.get("annotation_kind")):
            return dynamic.CheckResult(news, [])
        try:
            content = read(news)
        except DatasetInvalid as error:
            return dynamic.CheckResult(news, failures("source", [str(violation) for violation in error.violations]))
        except VisionError as error:
            return dynamic.CheckResult(news, failures("source", [str(error)]))
        keep_manifest(content.manifest)
        training_overlap.remember(content)
        return dynamic.CheckResult({**news, **describe(content)}, [])

    @staticmethod
    def _check_uris(olds: Properties, news: Properties) -> dynamic.CheckResult:
        if not is_known(news["uris"], news.get("container_url"), news.get("account_key"), news.get("annotation_kind")):
            as_before = "digest" in olds and olds.get("uris") == news["uris"]
            return dynamic.CheckResult({**news, "digest": olds["digest"]} if as_before else news, [])
        try:
            content = digest_uris(news["uris"], news["annotation_kind"], account_key=key_of_uris(news))
        except StorageError as error:
            if is_stopped(news["container_url"]):  # the update restarts it, and checks again
                return dynamic.CheckResult({**news, "digest": olds["digest"]} if "digest" in olds else news, [])
            return dynamic.CheckResult(news, failures("uris", [str(error)]))
        return dynamic.CheckResult({**news, "digest": content.digest}, [])

    @staticmethod
    def _check_content(olds: Properties, news: Properties) -> dynamic.CheckResult:
        """The digest is known without a look. A content that is not deployed yet is read from the container and checked."""
        if not is_known(news["content"], news.get("annotation_kind"), news.get("purpose")):
            return dynamic.CheckResult(news, [])
        try:
            digest = digest_of_reference(news["content"])
        except ValueError as error:
            return dynamic.CheckResult(news, failures("content", [str(error)]))
        declared = {**news, "digest": digest}
        training_overlap.remember_stored(digest, stored_contents(digest, news))
        if olds.get("digest") == digest and olds.get("annotation_kind") == news["annotation_kind"]:
            return dynamic.CheckResult({**declared, "images": olds.get("images"), "tags": olds.get("tags")}, [])
        unseen = not is_known(news.get("container_url"), news.get("account_key"))
        if unseen or is_stopped(news["container_url"]):  # the update starts it, and checks again
            kept = kept_manifest(digest)
            return dynamic.CheckResult({**declared, **({} if kept is None else manifest_numbers(kept.numbers))}, [])
        try:
            found = find_stored(
                news["container_url"],
                digest,
                news["annotation_kind"],
                news.get("purpose"),
                account_key=news.get("account_key"),
            )
        except DatasetInvalid as error:
            return dynamic.CheckResult(news, failures("content", [str(violation) for violation in error.violations]))
        except VisionError as error:
            return dynamic.CheckResult(news, failures("content", [str(error)]))
        kept = keep_manifest(found.manifest)
        return dynamic.CheckResult({**declared, **manifest_numbers(kept.numbers)}, [])

    def diff(self, _id: str, olds: Properties, news: Properties) -> dynamic.DiffResult:
        changed = self.changed(olds, news)
        if "digest" in changed and is_known(news.get("digest")) and "tags" in news:
            for line in content_change(olds, news):
                Row(news["row_urn"]).say(line)
        replaces = sorted(changed & {"dataset_name", "annotation_kind"})
        # Another dataset under the same name: the service would answer that the name is taken.
        return self.difference(olds, changed, replaces, delete_first="annotation_kind" in replaces)

    def create(self, props: Properties) -> dynamic.CreateResult:
        """Upload what is missing, then register, reusing a registration that an interrupted update left behind."""
        uris, name = self._upload(props), props["dataset_name"]
        dataset = register_dataset(
            client(props),
            name,
            uris,
            props["annotation_kind"],
            authentication=authentication(props),
            custom_properties=custom_properties(props),
            replace=True,
        )
        self.keep(props)
        return dynamic.CreateResult(name, {**props, **registered(dataset)})

    def apply(self, olds: Properties, news: Properties) -> Properties:
        service = client(news)
        uris = olds["annotation_file_uris"] if self.changed(olds, news) == {"managed_by"} else self._upload(news)
        outs = {**news, **registered(self._update(service, news, uris))}
        if olds["digest"] != news["digest"] and is_uploaded(olds):
            retire(service, olds, keep_images=not news.get("delete_images"))
        return outs

    def look(self, properties: Properties) -> Properties:
        """What the service has now. If the annotation files differ or are missing, the digest says so."""
        dataset = client(properties).get_dataset(properties["dataset_name"])
        seen = registered(dataset)
        if seen["annotation_file_uris"] != properties["annotation_file_uris"]:
            seen["digest"] = CHANGED_OUTSIDE
        elif is_gone(properties):
            seen["digest"] = GONE
        found, recorded = dict(dataset.custom_properties or {}), properties.get("managed_by")
        managed_by = found.pop(MANAGED_BY, None)
        if found != (properties.get("custom_properties") or {}):
            seen["custom_properties"] = found
        elif recorded is not None and managed_by != recorded:  # a state from before there were owners has none
            seen["managed_by"] = managed_by
        return seen

    def remove(self, properties: Properties) -> None:
        service = client(properties)
        if not properties.get("delete_images") or not is_uploaded(properties):
            service.delete_dataset(properties["dataset_name"])
            return
        with suppress(NotFound):
            service.delete_dataset(properties["dataset_name"])
        retire(service, properties, keep_images=False)

    def _upload(self, properties: Properties) -> list[str]:
        """Upload what the container lacks; returns the annotation files' URIs."""
        if properties.get("uris") is not None:
            return list(properties["uris"])
        if properties.get("content") is not None:
            stored = find_stored(
                properties["container_url"],
                properties["digest"],
                properties["annotation_kind"],
                account_key=properties.get("account_key"),
            )
            return list(stored.annotation_uris)
        content = read(properties)
        if content.digest != properties["digest"]:
            raise VisionError(
                f"{properties['source']} changed during the update. Run `pulumi up` again to deploy the current files"
            )
        row = Row(properties["row_urn"])
        spoken = 0.0

        def tell(progress: UploadProgress) -> None:
            nonlocal spoken
            if time.monotonic() - spoken >= PROGRESS_INTERVAL_SECONDS:
                spoken = time.monotonic()
                row.progress(f"uploading: {progress.done} of {progress.total} images")

        uploaded = upload_content(
            content,
            properties["container_url"],
            account_key=properties.get("account_key"),
            on_progress=tell,
        )
        for warning in content.warnings[:PREVIEW_LIMIT]:
            row.warn(str(warning))
        if len(content.warnings) > PREVIEW_LIMIT:
            row.warn(f"… and {len(content.warnings) - PREVIEW_LIMIT:,} more warnings: `vision check` lists all of them")
        if uploaded.uploaded_images:
            row.say(f"{counted(uploaded.uploaded_images, 'image')} uploaded ({uploaded.uploaded_bytes / 1e6:.1f} MB)")
        return uploaded.annotation_uris

    @staticmethod
    def _update(service: VisionClient, properties: Properties, uris: Sequence[str]) -> RegisteredDataset:
        return service.update_dataset(
            properties["dataset_name"],
            annotation_file_uris=list(uris),
            authentication=authentication(properties),
            custom_properties=custom_properties(properties),
        )


def retire(service: VisionClient, properties: Properties, *, keep_images: bool) -> None:
    """Delete a content that its dataset no longer has, except what other registered datasets, drafts and versions need."""
    datasets, drafts = list(service.list_datasets()), drafts_of(service)
    names = {properties["dataset_name"], *(other.name for other in datasets), *(draft.dataset_name for draft in drafts or ())}
    delete_content(
        properties["container_url"],
        properties["digest"],
        account_key=properties.get("account_key"),
        registered_uris=[
            *(uri for other in datasets for uri in other.annotation_file_uris),
            *(() if drafts is None else (uri for name in sorted(names) for uri in version_uris(service, name))),
        ],
        open_drafts=None if drafts is None else [draft.id for draft in drafts],
        keep_images=keep_images,
    )


def drafts_of(service: VisionClient) -> list[Draft] | None:
    """All drafts; None if the service knows no drafts."""
    try:
        return list(service.list_drafts())
    except NotFound:
        return None


def version_uris(service: VisionClient, dataset_name: str) -> list[str]:
    """The annotation files of a dataset's versions. They never change, and stay."""
    try:
        return [version.annotation_file_uri for version in service.list_versions(dataset_name)]
    except NotFound:
        return []


def is_uploaded(properties: Mapping[str, Any]) -> bool:
    """Whether the resource uploads its files, and so deletes them."""
    return properties.get("uris") is None and properties.get("content") is None


def wrong_arguments(news: Properties) -> list[dynamic.CheckFailure]:
    """What no dataset can have, before any file is read."""
    wrong = []
    for name, choices in (("annotation_kind", AnnotationKind), ("purpose", Purpose)):
        value = news.get(name)
        if value is not None and is_known(value) and value not in set(choices):
            wrong += failures(name, [f"{value!r} is not a valid {name}; choose from {', '.join(choices)}"])
    for name in ("annotation_files", "uris"):
        if isinstance(news.get(name), str):
            wrong += failures(name, [f"expected a list of texts, not a text. Write [{news[name]!r}]"])
    if is_known(news.get("custom_properties")) and MANAGED_BY in (news.get("custom_properties") or {}):
        wrong += failures("custom_properties", [RESERVED])
    return wrong


def read(properties: Mapping[str, Any]) -> Content:
    """The dataset's current content on disk. Raises DatasetInvalid."""
    source = DatasetSource(
        Path(properties["source"]),
        tuple(properties["annotation_files"]),
        AnnotationKind(properties["annotation_kind"]),
        properties.get("purpose", "evaluation"),
        DigestCache(STATE_FOLDER),
    )
    return check_dataset(read_dataset(source)).valid()


def is_gone(properties: Mapping[str, Any]) -> bool:
    """Whether files that this resource uploaded are missing. Checked only with an account key, as for local storage: without
    one, the user who previews may have no role on the data."""
    key = properties.get("account_key")
    if properties.get("uris") is not None or key is None:
        return False
    try:
        return bool(missing_blobs(properties["annotation_file_uris"], account_key=key))
    except StorageError:  # the storage's own row shows that it does not answer
        return False


def registered(dataset: RegisteredDataset) -> Properties:
    return {"annotation_file_uris": dataset.annotation_file_uris}


def custom_properties(properties: Mapping[str, Any]) -> dict[str, str]:
    """The custom properties as the service keeps them: those that are declared, and who manages the dataset."""
    managed_by = properties.get("managed_by")
    return {**(properties.get("custom_properties") or {}), **({} if managed_by is None else {MANAGED_BY: managed_by})}


def authentication(properties: Mapping[str, Any]) -> Authentication:
    return reading_with(properties.get("sas_token") if lies_in_container(properties) else None)


def lies_in_container(properties: Mapping[str, Any]) -> bool:
    """Whether all annotation files are in the training container, for which the account key and the SAS token are valid."""
    root = f"{str(properties['container_url']).rstrip('/')}/"
    return all(uri.startswith(root) for uri in properties.get("uris") or ())


def key_of_uris(properties: Mapping[str, Any]) -> str | None:
    return properties.get("account_key") if lies_in_container(properties) else None


def content_change(olds: Mapping[str, Any], news: Mapping[str, Any]) -> list[str]:
    """What changed in the dataset, as lines of text; from the tag counts alone if the former content is unknown."""
    if olds["digest"] == CHANGED_OUTSIDE:
        return ["its annotation files were changed outside Pulumi and will be reset to the declared ones"]
    if olds["digest"] == GONE:
        return ["its files are missing from blob storage and will be uploaded again"]
    if (change := changed_content(olds, news)) is not None:
        return change.summary()
    return counted_changes(
        news.get("annotation_kind"),
        (olds.get("images") or 0, news.get("images") or 0),
        olds.get("tags") or {},
        news.get("tags") or {},
    )


class Dataset(dynamic.Resource, module="vision", name="Dataset"):
    """Labelled images, uploaded to a workspace and registered there, or already in blob storage and registered.

    `source` is a folder (relative to the program) that holds `annotation_files` (COCO) and the images that they name. Only what
    is new is uploaded; `pulumi destroy` unregisters the dataset and leaves the blobs, unless `delete_images`.
    Alternatively, `uris` names COCO files in blob storage whose images have absolute URLs. Their ETags show when one of them
    changes; the service checks their content.
    Or `content` names a version that is in the workspace's container, as `sha256:DIGEST`: the Studio saved it there, or
    `vision datasets copy` brought it. Nothing is uploaded.
    `purpose` (`training` or `evaluation`) chooses the limits that the files are checked against.
    """

    dataset_name: pulumi.Output[str]
    digest: pulumi.Output[str]
    """SHA-256 over images and tags, independent of file names."""
    images: pulumi.Output[float]
    tags: pulumi.Output[dict[str, float]]
    """Number of annotations per tag."""
    annotation_kind: pulumi.Output[str]
    annotation_file_uris: pulumi.Output[list[str]]

    def __init__(
        self,
        name: str,
        *,
        workspace: Workspace,
        annotation_kind: pulumi.Input[str],
        annotation_files: pulumi.Input[Sequence[str]] | None = None,
        source: pulumi.Input[str] | None = None,
        uris: pulumi.Input[Sequence[str]] | None = None,
        content: pulumi.Input[str] | None = None,
        dataset_name: pulumi.Input[str] | None = None,
        purpose: pulumi.Input[str] = "training",
        custom_properties: pulumi.Input[Mapping[str, str]] | None = None,
        delete_images: pulumi.Input[bool] = False,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        given = (source is not None and annotation_files is not None, uris is not None, content is not None)
        if given.count(True) != 1:
            raise pulumi.RunError(f"dataset '{name}': pass source and annotation_files, or uris, or content")
        self.service = workspace.service
        super().__init__(
            DatasetProvider(),
            name,
            {
                **workspace.service.properties(),
                **workspace.container.properties(),
                "dataset_name": dataset_name or name,
                "annotation_kind": annotation_kind,
                "annotation_files": annotation_files,
                "source": source,
                "uris": uris,
                "content": content,
                "purpose": purpose,
                "custom_properties": custom_properties,
                "managed_by": this_stack(),
                "delete_images": delete_images,
                "row_urn": row_urn(name, f"pulumi-python:{self._resource_type_name}", opts),
                "digest": None,
                "images": None,
                "tags": None,
                "annotation_file_uris": None,
            },
            opts,
        )
