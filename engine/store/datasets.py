"""Registered datasets, and the tokens to read them with."""

import secrets
import string
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from pydantic import SecretStr
from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from vision_customization.contract.enums import AnnotationKind, AuthenticationKind
from vision_customization.engine.blobs.access import Access
from vision_customization.engine.blobs.address import BlobAddress, BlobError, Container, without_query
from vision_customization.engine.errors import SettingsError
from vision_customization.engine.store.cipher import TokenCipher
from vision_customization.engine.store.database import Database, found
from vision_customization.engine.store.errors import AlreadyExists, PreconditionFailed, TokenNeeded
from vision_customization.engine.store.records import DatasetRecord
from vision_customization.engine.store.tables import AcceptedFindingRow, DatasetRow, InspectionRow


class DatasetStore:
    """Datasets by name. Their SAS tokens are encrypted with `cipher`."""

    def __init__(self, database: Database, cipher: TokenCipher) -> None:
        self._database = database
        self._cipher = cipher

    def create(
        self,
        name: str,
        annotation_kind: AnnotationKind,
        annotation_file_uris: Sequence[str],
        *,
        authentication_kind: AuthenticationKind | None = None,
        sas_token: SecretStr | None = None,
        custom_properties: dict[str, str] | None = None,
    ) -> DatasetRecord:
        """Register a dataset. `sas_token` is without a leading `?`, and is only ever sent to the containers of these annotation
        files. Raises AlreadyExists."""
        now = self._database.now()
        row = DatasetRow(
            name=name,
            annotation_kind=annotation_kind.value,
            annotation_file_uris=list(annotation_file_uris),
            authentication_kind=authentication_kind and authentication_kind.value,
            sas_token_encrypted=sas_token and self._cipher.encrypt(sas_token),
            sas_scopes=_containers(annotation_file_uris) if sas_token else None,
            custom_properties=custom_properties,
            e_tag=_new_e_tag(),
            created=now,
            updated=now,
        )
        try:
            with self._database.writing() as session:
                session.add(row)
        except IntegrityError:
            raise AlreadyExists("dataset", name) from None
        return _record(row)

    def find(self, name: str) -> DatasetRecord:
        """Raises NotFound."""
        with self._database.reading() as session:
            return _record(_find(session, name))

    def page(self, skip: int, top: int) -> list[DatasetRecord]:
        """Up to `top` datasets after the first `skip`, in the order they were registered."""
        with self._database.reading() as session:
            rows = session.scalars(select(DatasetRow).order_by(DatasetRow.sequence).offset(skip).limit(top))
            return [_record(row) for row in rows]

    def matching(self, text: str, skip: int, top: int) -> tuple[int, list[DatasetRecord]]:
        """How many datasets have `text` in their names, in any case, and up to `top` of them after the first `skip`, by
        name."""
        wanted = func.lower(DatasetRow.name).contains(text.lower(), autoescape=True)
        with self._database.reading() as session:
            count = session.scalar(select(func.count()).select_from(DatasetRow).where(wanted)) or 0
            query = select(DatasetRow).where(wanted).order_by(func.lower(DatasetRow.name), DatasetRow.name)
            return count, [_record(row) for row in session.scalars(query.offset(skip).limit(top))]

    def newest(self, count: int) -> list[DatasetRecord]:
        """Up to `count` datasets, the one changed last first."""
        with self._database.reading() as session:
            rows = session.scalars(
                select(DatasetRow).order_by(DatasetRow.updated.desc(), DatasetRow.sequence.desc()).limit(count)
            )
            return [_record(row) for row in rows]

    def update(
        self,
        name: str,
        *,
        if_match: frozenset[str] | None = None,
        annotation_kind: AnnotationKind | None = None,
        annotation_file_uris: Sequence[str] | None = None,
        authentication: tuple[AuthenticationKind, SecretStr | None] | None = None,
        custom_properties: dict[str, str] | None = None,
    ) -> DatasetRecord:
        """Replace the given fields; those that are None stay. For kind `sas` without a token, the stored token stays, too.

        Raises:
            NotFound: the dataset does not exist.
            PreconditionFailed: its eTag is not in `if_match`.
            TokenNeeded: there is no stored token, or an annotation file would be outside the containers that it is for.
        """
        with self._database.writing() as session:
            row = _find(session, name, if_match, lock=True)
            changes: dict[str, Any] = {}
            if annotation_kind is not None:
                changes["annotation_kind"] = annotation_kind.value
            if annotation_file_uris is not None:
                changes["annotation_file_uris"] = list(annotation_file_uris)
            kind, token = authentication or (None, None)
            if kind is not None:
                changes["authentication_kind"] = kind.value
            if token is not None:
                changes["sas_token_encrypted"] = self._cipher.encrypt(token)
                changes["sas_scopes"] = _containers(changes.get("annotation_file_uris", row.annotation_file_uris))
            elif kind in (None, AuthenticationKind.SAS):
                _keep_token(row, kind, annotation_file_uris or ())
            else:
                changes["sas_token_encrypted"] = changes["sas_scopes"] = None
            if custom_properties is not None:
                changes["custom_properties"] = custom_properties
            for column, value in changes.items():
                setattr(row, column, value)
            row.e_tag = _new_e_tag()
            row.updated = self._database.now()
        return _record(row)

    def delete(self, name: str, *, if_match: frozenset[str] | None = None) -> None:
        """Also deletes its inspection, and which of its findings were accepted. Raises NotFound, PreconditionFailed."""
        with self._database.writing() as session:
            session.delete(_find(session, name, if_match, lock=True))
            session.execute(delete(InspectionRow).where(InspectionRow.dataset == name))
            session.execute(delete(AcceptedFindingRow).where(AcceptedFindingRow.dataset == name))

    def sas_token(self, dataset: DatasetRecord) -> SecretStr | None:
        """The decrypted token of `dataset`; None if it has none. Raises SettingsError if it was encrypted with another key."""
        return self._cipher.decrypt(dataset.sas_token_encrypted) if dataset.sas_token_encrypted else None

    def unregistered(
        self,
        name: str,
        annotation_kind: AnnotationKind,
        uris: Sequence[str],
        authentication_kind: AuthenticationKind,
        sas_token: SecretStr | None,
    ) -> DatasetRecord:
        """A dataset that is not registered, to read its blobs with `access`. Its eTag is its name."""
        now = self._database.now()
        return DatasetRecord(
            name=name,
            annotation_kind=annotation_kind,
            annotation_file_uris=tuple(uris),
            authentication_kind=authentication_kind,
            sas_token_encrypted=self._cipher.encrypt(sas_token) if sas_token else None,
            sas_scopes=tuple(_containers(uris)) if sas_token else (),
            custom_properties=None,
            created=now,
            updated=now,
            e_tag=name,
        )

    def access(self, dataset: DatasetRecord) -> Access:
        """How the blobs of `dataset` are read. Raises SettingsError if its token was encrypted with another key."""
        try:
            token = self.sas_token(dataset)
        except SettingsError:
            raise SettingsError(
                f"The SAS token of dataset '{dataset.name}' cannot be decrypted: it was encrypted with another token key. Set "
                "the token again (PATCH the dataset's authentication)."
            ) from None
        identity = dataset.authentication_kind in (None, AuthenticationKind.MANAGED_IDENTITY)
        return Access(token, identity, dataset.sas_scopes)


def _find(session: Session, name: str, if_match: frozenset[str] | None = None, *, lock: bool = False) -> DatasetRow:
    row = found(session, select(DatasetRow).where(DatasetRow.name == name), "dataset", name, lock=lock)
    if if_match is not None and row.e_tag not in if_match:
        raise PreconditionFailed("dataset", name)
    return row


def _keep_token(row: DatasetRow, kind: AuthenticationKind | None, uris: Sequence[str]) -> None:
    """Raises TokenNeeded if the token of `row` cannot stay: it has none, or one of the new `uris` is where it is not sent."""
    if row.sas_token_encrypted is None:
        if kind is AuthenticationKind.SAS:
            raise TokenNeeded("authentication of kind 'sas' needs a SAS token.")
        return
    scopes = row.sas_scopes or []
    outside = _first_outside(uris, scopes)
    if outside is not None:
        raise TokenNeeded(
            f"the dataset's token is for {', '.join(scopes) or 'no container'} and is not sent elsewhere. Pass a token that "
            f"can read {without_query(outside)}, or another kind of authentication."
        )


def _containers(uris: Sequence[str]) -> list[str]:
    """URLs of the containers of `uris`. A URI that is not the address of a blob has none."""
    containers: dict[str, None] = {}
    for uri in uris:
        with suppress(BlobError):
            containers[Container.of(uri).url] = None
    return list(containers)


def _first_outside(uris: Sequence[str], scopes: Sequence[str]) -> str | None:
    """The first of `uris` that is in none of the containers `scopes`."""
    containers = [Container.of(f"{scope}/-") for scope in scopes]
    for uri in uris:
        try:
            address = BlobAddress.parse(uri)
        except BlobError:
            return uri
        if not any(container.holds(address) for container in containers):
            return uri
    return None


def _new_e_tag() -> str:
    return "".join(secrets.choice(string.ascii_lowercase) for _ in range(26))


def _record(row: DatasetRow) -> DatasetRecord:
    return DatasetRecord(
        name=row.name,
        annotation_kind=AnnotationKind(row.annotation_kind),
        annotation_file_uris=tuple(row.annotation_file_uris),
        authentication_kind=AuthenticationKind(row.authentication_kind) if row.authentication_kind else None,
        sas_token_encrypted=row.sas_token_encrypted,
        sas_scopes=tuple(row.sas_scopes or ()),
        custom_properties=row.custom_properties,
        created=row.created,
        updated=row.updated,
        e_tag=row.e_tag,
    )
