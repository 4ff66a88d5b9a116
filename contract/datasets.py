"""Registered datasets."""

from typing import Annotated, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from vision_customization.contract.enums import AnnotationKind, AuthenticationKind
from vision_customization.contract.limits import ANNOTATION_FILES_MAX, CUSTOM_PROPERTIES_MAX
from vision_customization.contract.owners import MANAGED_BY
from vision_customization.contract.wire import Timestamp, Wire, casefold_choice


class Authentication(Wire):
    """How the service reads a dataset's blobs. `sas_token` is only the query string, and is never sent back."""

    kind: Annotated[AuthenticationKind, casefold_choice(AuthenticationKind)]
    sas_token: SecretStr | None = Field(default=None, exclude=True)

    @model_validator(mode="after")
    def _sas_needs_a_token(self) -> Self:
        if self.sas_token is not None and self.kind is not AuthenticationKind.SAS:
            raise ValueError("sasToken is allowed only with authentication of kind 'sas'")
        return self


AnnotationFileUris = Annotated[list[str], Field(min_length=1, max_length=ANNOTATION_FILES_MAX)]


def _few_enough(properties: dict[str, str]) -> dict[str, str]:
    if len(properties.keys() - {MANAGED_BY}) > CUSTOM_PROPERTIES_MAX:
        raise ValueError(f"a dataset has at most {CUSTOM_PROPERTIES_MAX} custom properties, not counting {MANAGED_BY}")
    return properties


CustomProperties = Annotated[dict[str, str], Field(max_length=CUSTOM_PROPERTIES_MAX + 1), AfterValidator(_few_enough)]
"""Texts of the caller's own, and `managedBy`, which does not count."""


class DatasetCreate(Wire):
    """Body of `PUT /datasets/{name}`."""

    annotation_kind: Annotated[AnnotationKind, casefold_choice(AnnotationKind)]
    annotation_file_uris: AnnotationFileUris
    authentication: Authentication | None = None
    custom_properties: CustomProperties | None = None


class DatasetUpdate(Wire):
    """Body of `PATCH /datasets/{name}`: the fields given replace, the others stay."""

    annotation_kind: Annotated[AnnotationKind | None, casefold_choice(AnnotationKind)] = None
    annotation_file_uris: AnnotationFileUris | None = None
    authentication: Authentication | None = None
    custom_properties: CustomProperties | None = None


class Dataset(Wire):
    name: str
    annotation_kind: AnnotationKind
    annotation_file_uris: list[str]
    authentication: Authentication | None = None
    custom_properties: dict[str, str] | None = None
    created_date_time: Timestamp
    updated_date_time: Timestamp
    e_tag: str | None = None
