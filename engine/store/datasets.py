"""Datasets: what was registered, and the token to read it with."""

import secrets
import string
from collections.abc import Sequence
from typing import Any

from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from customization.contract import AnnotationKind, AuthenticationKind
from engine.store.database import Database
from engine.store.errors import AlreadyExists, NotFound, PreconditionFailed
from engine.store.records import DatasetRecord
from engine.store.tables import DatasetRow


class DatasetStore(Database):
    def create_dataset(
        self,
        name: str,
        annotation_kind: AnnotationKind,
        annotation_file_uris: Sequence[str],
        *,
        authentication_kind: AuthenticationKind | None = None,
        sas_token: SecretStr | None = None,
        custom_properties: dict[str, str] | None = None,
    ) -> DatasetRecord:
        """Raises AlreadyExists."""
        now = self._now()
        row = DatasetRow(
            name=name,
            annotation_kind=annotation_kind.value,
            annotation_file_uris=list(annotation_file_uris),
            authentication_kind=authentication_kind and authentication_kind.value,
            sas_token_encrypted=sas_token and self._cipher.encrypt(sas_token),
            custom_properties=custom_properties,
            e_tag=_new_e_tag(),
            created=now,
            updated=now,
        )
        try:
            with self._writing() as session:
                session.add(row)
        except IntegrityError:
            raise AlreadyExists("dataset", name) from None
        return self._dataset(row)

    def dataset(self, name: str) -> DatasetRecord:
        """Raises NotFound."""
        with self._reading() as session:
            return self._dataset(_find(session, name))

    def datasets(self, skip: int, top: int) -> list[DatasetRecord]:
        """Up to `top` datasets after the first `skip`, in the order they were registered."""
        with self._reading() as session:
            rows = session.scalars(select(DatasetRow).order_by(DatasetRow.sequence).offset(skip).limit(top))
            return [self._dataset(row) for row in rows]

    def update_dataset(
        self,
        name: str,
        *,
        if_match: frozenset[str] | None = None,
        annotation_kind: AnnotationKind | None = None,
        annotation_file_uris: Sequence[str] | None = None,
        authentication: tuple[AuthenticationKind, SecretStr | None] | None = None,
        custom_properties: dict[str, str] | None = None,
    ) -> DatasetRecord:
        """What is given replaces, what is None stays. Raises NotFound, PreconditionFailed (its eTag is not in `if_match`)."""
        with self._writing() as session:
            row = _find(session, name, if_match, lock=True)
            changes: dict[str, Any] = {}
            if annotation_kind is not None:
                changes["annotation_kind"] = annotation_kind.value
            if annotation_file_uris is not None:
                changes["annotation_file_uris"] = list(annotation_file_uris)
            if authentication is not None:
                kind, token = authentication
                changes["authentication_kind"] = kind.value
                changes["sas_token_encrypted"] = token and self._cipher.encrypt(token)
            if custom_properties is not None:
                changes["custom_properties"] = custom_properties
            for column, value in changes.items():
                setattr(row, column, value)
            row.e_tag = _new_e_tag()
            row.updated = self._now()
        return self._dataset(row)

    def delete_dataset(self, name: str, *, if_match: frozenset[str] | None = None) -> None:
        """Raises NotFound, PreconditionFailed."""
        with self._writing() as session:
            session.delete(_find(session, name, if_match, lock=True))

    def _dataset(self, row: DatasetRow) -> DatasetRecord:
        return DatasetRecord(
            name=row.name,
            annotation_kind=AnnotationKind(row.annotation_kind),
            annotation_file_uris=tuple(row.annotation_file_uris),
            authentication_kind=AuthenticationKind(row.authentication_kind) if row.authentication_kind else None,
            sas_token=self._cipher.decrypt(row.sas_token_encrypted) if row.sas_token_encrypted else None,
            custom_properties=row.custom_properties,
            created=row.created,
            updated=row.updated,
            e_tag=row.e_tag,
        )


def _find(session: Session, name: str, if_match: frozenset[str] | None = None, *, lock: bool = False) -> DatasetRow:
    query = select(DatasetRow).where(DatasetRow.name == name)
    row = session.scalar(query.with_for_update() if lock else query)
    if row is None:
        raise NotFound("dataset", name)
    if if_match is not None and row.e_tag not in if_match:
        raise PreconditionFailed("dataset", name)
    return row


def _new_e_tag() -> str:
    return "".join(secrets.choice(string.ascii_lowercase) for _ in range(26))
