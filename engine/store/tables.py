"""The tables, as SQLAlchemy maps them; `content_tables` and `draft_tables` have those of content indexes, drafts and versions.

A change of a table needs a migration in `migrations/versions`.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Index,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from vision_customization.contract.owners import MANAGED_BY_MAX_LENGTH

NAME = String(255)
ID = String(36)

WHO_MAX_LENGTH = 255
"""Of the text that says who did something."""


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC. SQLite forgets the zone, so it is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Table(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012
        datetime: UtcDateTime(),
        dict[str, Any]: JSON(none_as_null=True),
        list[str]: JSON(none_as_null=True),
        list[dict[str, Any]]: JSON(none_as_null=True),
    }


class DatasetRow(Table):
    __tablename__ = "datasets"

    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(NAME, unique=True)
    annotation_kind: Mapped[str] = mapped_column(String(32))
    annotation_file_uris: Mapped[list[str]]
    authentication_kind: Mapped[str | None] = mapped_column(String(32))
    sas_token_encrypted: Mapped[str | None] = mapped_column(Text)
    sas_scopes: Mapped[list[str] | None]
    custom_properties: Mapped[dict[str, Any] | None]
    e_tag: Mapped[str] = mapped_column(String(64))
    created: Mapped[datetime]
    updated: Mapped[datetime]


class ModelRow(Table):
    __tablename__ = "models"

    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(ID, unique=True)
    name: Mapped[str] = mapped_column(NAME, unique=True)
    training_dataset_name: Mapped[str] = mapped_column(NAME)
    time_budget_in_hours: Mapped[int]
    model_kind: Mapped[str] = mapped_column(String(32))
    tiles: Mapped[int] = mapped_column(default=1, server_default="1")
    test_dataset_name: Mapped[str | None] = mapped_column(NAME)
    status: Mapped[str] = mapped_column(String(16), index=True)
    cancel_requested: Mapped[bool] = mapped_column(default=False)
    started: Mapped[datetime | None]
    performance: Mapped[dict[str, Any] | None]
    cost_minutes: Mapped[int | None]
    error: Mapped[dict[str, Any] | None]
    progress: Mapped[dict[str, Any] | None]
    artifact: Mapped[dict[str, Any] | None]
    training_content: Mapped[dict[str, Any] | None]
    managed_by: Mapped[str | None] = mapped_column(String(MANAGED_BY_MAX_LENGTH))
    created: Mapped[datetime]
    updated: Mapped[datetime]


class EvaluationRow(Table):
    __tablename__ = "evaluations"
    __table_args__ = (UniqueConstraint("model_id", "name"),)

    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(ID, unique=True)
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(NAME)
    test_dataset_name: Mapped[str | None] = mapped_column(NAME)
    status: Mapped[str] = mapped_column(String(16), index=True)
    performance: Mapped[dict[str, Any] | None]
    error: Mapped[dict[str, Any] | None]
    created: Mapped[datetime]
    updated: Mapped[datetime]


class RunRow(Table):
    """A product recognition run."""

    __tablename__ = "recognition_runs"
    __table_args__ = (UniqueConstraint("model_id", "name"),)

    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(ID, unique=True)
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(NAME)
    status: Mapped[str] = mapped_column(String(16), index=True)
    result: Mapped[dict[str, Any] | None]
    error: Mapped[dict[str, Any] | None]
    created: Mapped[datetime]
    updated: Mapped[datetime]


class BatchPredictionRow(Table):
    """A batch prediction run. `source` and `result` are as callers see them, without their tokens."""

    __tablename__ = "batch_prediction_runs"
    __table_args__ = (UniqueConstraint("model_id", "name"),)

    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(ID, unique=True)
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(NAME)
    source: Mapped[dict[str, Any] | None]
    source_token_encrypted: Mapped[str | None] = mapped_column(Text)
    dataset_name: Mapped[str | None] = mapped_column(NAME)
    result: Mapped[dict[str, Any] | None]
    result_token_encrypted: Mapped[str | None] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(16), index=True)
    progress: Mapped[dict[str, Any] | None]
    error: Mapped[dict[str, Any] | None]
    created: Mapped[datetime]
    updated: Mapped[datetime]


class PublishedModelRow(Table):
    __tablename__ = "published_models"

    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(NAME, unique=True)
    model_name: Mapped[str] = mapped_column(NAME)
    require: Mapped[dict[str, Any] | None]
    managed_by: Mapped[str | None] = mapped_column(String(MANAGED_BY_MAX_LENGTH))
    created: Mapped[datetime]
    updated: Mapped[datetime]


class PublicationRow(Table):
    """The model that a published name answered with from `published` on. Rows stay after the model, and after the name."""

    __tablename__ = "publications"
    __table_args__ = (Index(None, "name"),)

    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(NAME)
    model_name: Mapped[str] = mapped_column(NAME)
    model_id: Mapped[str | None] = mapped_column(ID)
    published: Mapped[datetime]
    published_by: Mapped[str | None] = mapped_column(String(WHO_MAX_LENGTH))
    reason: Mapped[str | None] = mapped_column(Text)
    evaluation: Mapped[str | None] = mapped_column(NAME)


class DismissalRow(Table):
    """A failed model or evaluation that somebody has dismissed. `kind` is `model` or `evaluation`."""

    __tablename__ = "dismissals"

    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    dismissed_by: Mapped[str] = mapped_column(String(WHO_MAX_LENGTH))
    dismissed: Mapped[datetime]


class TokenKeyRow(Table):
    """At most one row, with `id` 1: the fingerprint of the key that encrypts the SAS tokens."""

    __tablename__ = "token_key"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    fingerprint: Mapped[str] = mapped_column(String(64))


class BlobRow(Table):
    """An image's digest by its address. The key is a digest of the URL, since a URL may be longer than an index entry."""

    __tablename__ = "blobs"
    __table_args__ = (Index(None, "seen"),)

    url_digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    url: Mapped[str] = mapped_column(Text)
    etag: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(String(64))
    width: Mapped[int]
    height: Mapped[int]
    seen: Mapped[datetime]


class SpeedRow(Table):
    """How long a part of a training takes on this engine's machines: `seconds` of the last `units`, of which older ones count
    less. `work` is the name of a field of `Speed`."""

    __tablename__ = "speeds"

    work: Mapped[str] = mapped_column(String(32), primary_key=True)
    units: Mapped[float] = mapped_column(Double)
    seconds: Mapped[float] = mapped_column(Double)


class SessionRow(Table):
    """A person who is signed in to the Studio. The digest is the SHA-256 of the session's id."""

    __tablename__ = "studio_sessions"

    token_digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    role: Mapped[str] = mapped_column(String(16))
    who: Mapped[str] = mapped_column(NAME, index=True)
    account: Mapped[str | None] = mapped_column(NAME, index=True)
    key_fingerprint: Mapped[str | None] = mapped_column(String(64))
    created: Mapped[datetime]
    seen: Mapped[datetime]
    expires: Mapped[datetime]


class SignInCodeRow(Table):
    """A one-time code that begins a session."""

    __tablename__ = "sign_in_codes"

    code_digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    role: Mapped[str] = mapped_column(String(16))
    who: Mapped[str] = mapped_column(NAME)
    key_fingerprint: Mapped[str | None] = mapped_column(String(64))
    expires: Mapped[datetime]


class AcceptedFindingRow(Table):
    """A finding of a dataset's health that a person accepted. The key depends on what was found."""

    __tablename__ = "accepted_findings"

    dataset: Mapped[str] = mapped_column(NAME, primary_key=True)
    finding: Mapped[str] = mapped_column(String(16), primary_key=True)
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    who: Mapped[str] = mapped_column(NAME)
    created: Mapped[datetime]


class InspectionRow(Table):
    """The newest inspection of a dataset, or of a draft: then `dataset` is `draft/` and its id. `inputs` are what it is made
    from, and `fingerprint` is their digest."""

    __tablename__ = "inspections"

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    dataset: Mapped[str] = mapped_column(NAME, unique=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    inputs: Mapped[dict[str, Any]]
    status: Mapped[str] = mapped_column(String(16), index=True)
    report: Mapped[str | None] = mapped_column(Text)
    error: Mapped[dict[str, Any] | None]
    created: Mapped[datetime]
    updated: Mapped[datetime]


class SampleRow(Table):
    """An image that a model was shown and found novel, kept for people to label. `width` and `height` are pixels, upright."""

    __tablename__ = "samples"
    __table_args__ = (Index(None, "kept"),)

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    model_name: Mapped[str] = mapped_column(NAME)
    novelty: Mapped[float] = mapped_column(Double)
    tag: Mapped[str] = mapped_column(Text)
    size_bytes: Mapped[int]
    kept: Mapped[datetime]
