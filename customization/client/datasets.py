"""Calls for datasets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vision_customization.contract.datasets import Authentication, Dataset, DatasetCreate, DatasetUpdate
from vision_customization.contract.enums import AnnotationKind, AuthenticationKind
from vision_customization.customization.client.client_calls import ClientCalls, segment
from vision_customization.customization.client.typed_calls import parse


class DatasetCalls(ClientCalls):
    """The part of `VisionClient` about datasets."""

    def register_dataset(
        self,
        name: str,
        *,
        annotation_kind: AnnotationKind,
        annotation_file_uris: Sequence[str],
        authentication: Authentication | None = None,
        custom_properties: Mapping[str, str] | None = None,
    ) -> Dataset:
        """Register the COCO files at `annotation_file_uris` as a dataset.

        Raises:
            AlreadyExists: the name is taken.
        """
        body = DatasetCreate(
            annotation_kind=annotation_kind,
            annotation_file_uris=list(annotation_file_uris),
            authentication=authentication,
            custom_properties=dict(custom_properties) if custom_properties is not None else None,
        )

        def is_ours(found: Dataset) -> bool:
            return (
                found.annotation_kind == body.annotation_kind
                and found.annotation_file_uris == body.annotation_file_uris
                and (found.custom_properties or {}) == (body.custom_properties or {})
                and (body.authentication is None or _kind(found.authentication) == body.authentication.kind)
            )

        return self._calls.create(Dataset, _path(name), _body(body), is_ours)

    def get_dataset(self, name: str) -> Dataset:
        return self._calls.get(Dataset, _path(name))

    def list_datasets(self) -> Iterator[Dataset]:
        return self._calls.list(Dataset, "/datasets")

    def update_dataset(
        self,
        name: str,
        *,
        annotation_file_uris: Sequence[str] | None = None,
        authentication: Authentication | None = None,
        custom_properties: Mapping[str, str] | None = None,
        if_match: str | None = None,
    ) -> Dataset:
        """Replace the given properties; None leaves a property unchanged.

        Raises:
            PreconditionFailed: `if_match` is no longer the dataset's `e_tag`.
        """
        body = DatasetUpdate(
            annotation_file_uris=list(annotation_file_uris) if annotation_file_uris is not None else None,
            authentication=authentication,
            custom_properties=dict(custom_properties) if custom_properties is not None else None,
        )
        headers = {"If-Match": if_match} if if_match else None
        reply = self._transport.send("PATCH", _path(name), json=_body(body), headers=headers)
        return parse(Dataset, reply.json())

    def delete_dataset(self, name: str, *, if_match: str | None = None) -> None:
        """Unregister a dataset; its blobs stay."""
        self._calls.delete(_path(name), {"If-Match": if_match} if if_match else None)


def _path(name: str) -> str:
    return f"/datasets/{segment(name)}"


def _body(body: DatasetCreate | DatasetUpdate) -> dict[str, Any]:
    """The request body, including the SAS token, which the wire type never writes."""
    wire = body.to_wire()
    if body.authentication is not None and body.authentication.sas_token is not None:
        wire["authentication"]["sasToken"] = body.authentication.sas_token.get_secret_value()
    return wire


def _kind(authentication: Authentication | None) -> AuthenticationKind:
    return authentication.kind if authentication is not None else AuthenticationKind.NONE
