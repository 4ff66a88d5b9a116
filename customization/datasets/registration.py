"""Registering a dataset in blob storage with the service, under a name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from vision_customization.contract.enums import AnnotationKind, AuthenticationKind
from vision_customization.customization.errors import AlreadyExists

if TYPE_CHECKING:
    from vision_customization.contract.datasets import Authentication, Dataset
    from vision_customization.customization.client.client import VisionClient


def reading_with(sas_token: str | None) -> Authentication:
    """How the service reads the blobs: with this SAS token, or else with its managed identity."""
    from vision_customization.contract.datasets import Authentication  # pydantic, which a preview does not need

    if sas_token is None:
        return Authentication(kind=AuthenticationKind.MANAGED_IDENTITY)
    return Authentication.model_validate({"kind": AuthenticationKind.SAS, "sasToken": sas_token})


def register_dataset(
    client: VisionClient,
    name: str,
    annotation_file_uris: Sequence[str],
    kind: str,
    *,
    authentication: Authentication | None = None,
    custom_properties: Mapping[str, str] | None = None,
    replace: bool = False,
) -> Dataset:
    """Register COCO files in blob storage as a dataset.

    An existing dataset with this name, kind and files is reused; with `replace`, its files may differ.

    Raises:
        AlreadyExists: the name is taken by another dataset.
    """
    try:
        return client.register_dataset(
            name,
            annotation_kind=AnnotationKind(kind),
            annotation_file_uris=annotation_file_uris,
            authentication=authentication,
            custom_properties=custom_properties,
        )
    except AlreadyExists:
        existing = client.get_dataset(name)
        same_files = existing.annotation_file_uris == list(annotation_file_uris)
        if existing.annotation_kind != kind or not (replace or same_files):
            raise
        return client.update_dataset(
            name,
            annotation_file_uris=annotation_file_uris,
            authentication=authentication,
            custom_properties=custom_properties,
        )
