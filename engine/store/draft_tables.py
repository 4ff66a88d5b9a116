"""The tables of drafts and of the versions saved from them. A change here needs a migration in `migrations/versions`."""

from datetime import datetime
from typing import Any

from sqlalchemy import Double, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from vision_customization.engine.store.tables import ID, NAME, WHO_MAX_LENGTH, Table


class DraftRow(Table):
    """A draft of a dataset. The counts are of the images that were not removed. `base_uris` are the annotation files that it
    began with; null if it began empty. `edit` counts its changes, and `saved_digest` is the version that was saved since the
    last one, when `updated` was `saved_updated`: an engine from before migration 0016 changes only `updated`."""

    __tablename__ = "drafts"

    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(ID, unique=True)
    name: Mapped[str] = mapped_column(NAME, unique=True)
    annotation_kind: Mapped[str] = mapped_column(String(32))
    dataset_name: Mapped[str] = mapped_column(NAME, index=True)
    base_dataset: Mapped[str | None] = mapped_column(NAME)
    base_uris: Mapped[list[str] | None]
    container: Mapped[str] = mapped_column(Text)
    images: Mapped[int]
    unlabelled: Mapped[int]
    changed: Mapped[int]
    conflicts: Mapped[int]
    labels: Mapped[int]
    next_number: Mapped[int]
    next_tag: Mapped[int]
    edit: Mapped[int]
    saved_digest: Mapped[str | None] = mapped_column(String(64))
    saved_updated: Mapped[datetime | None]
    created_by: Mapped[str] = mapped_column(String(WHO_MAX_LENGTH))
    created: Mapped[datetime]
    updated: Mapped[datetime]


class DraftTagRow(Table):
    """A tag of a draft. `base_name` is its name in the dataset that the draft began with; null for a tag of the draft's own.
    A name may be longer than an index entry, so its digest is unique."""

    __tablename__ = "draft_tags"
    __table_args__ = (UniqueConstraint("draft_sequence", "name_digest"), {"sqlite_with_rowid": False})

    draft_sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(Text)
    name_digest: Mapped[str] = mapped_column(String(64))
    base_name: Mapped[str | None] = mapped_column(Text)
    images: Mapped[int]
    labels: Mapped[int]


class DraftImageRow(Table):
    """An image of a draft: the blob `images/<sha256><extension>` of the draft's container.

    `base` are the labels that a changed image had at first, and `theirs` those that the dataset has meanwhile if both sides
    changed them: a list of [tag, box] in JSON. `settled` images are labelled, or somebody looked and found nothing. `edit` is
    the number of the draft's change that was the image's last.
    """

    __tablename__ = "draft_images"
    __table_args__ = (
        Index(None, "draft_sequence", "sha256"),
        Index("ix_draft_images_settled", "draft_sequence", "settled", "number"),
        Index("ix_draft_images_state", "draft_sequence", "state", "number"),
        Index("ix_draft_images_edit", "draft_sequence", "edit", "number"),
        {"sqlite_with_rowid": False},
    )

    draft_sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sha256: Mapped[str] = mapped_column(String(64))
    extension: Mapped[str] = mapped_column(String(8))
    file_name: Mapped[str] = mapped_column(Text)
    width: Mapped[float | None] = mapped_column(Double)
    height: Mapped[float | None] = mapped_column(Double)
    state: Mapped[str] = mapped_column(String(8))
    settled: Mapped[bool]
    revision: Mapped[int]
    edit: Mapped[int]
    base: Mapped[str | None] = mapped_column(Text)
    theirs: Mapped[str | None] = mapped_column(Text)
    changed_by: Mapped[str | None] = mapped_column(String(WHO_MAX_LENGTH))
    changed: Mapped[datetime | None]


class DraftLabelRow(Table):
    """A label of an image of a draft. Without a box, `left` and the others are null."""

    __tablename__ = "draft_labels"
    __table_args__ = (Index(None, "draft_sequence", "tag", "number"), {"sqlite_with_rowid": False})

    draft_sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    ordinal: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tag: Mapped[int]
    left: Mapped[float | None] = mapped_column(Double)
    top: Mapped[float | None] = mapped_column(Double)
    width: Mapped[float | None] = mapped_column(Double)
    height: Mapped[float | None] = mapped_column(Double)


class VersionRow(Table):
    """A version that was saved from a draft. Its files are in blob storage, and stay when this row goes."""

    __tablename__ = "versions"
    __table_args__ = (UniqueConstraint("dataset_name", "digest"),)

    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    dataset_name: Mapped[str] = mapped_column(NAME)
    digest: Mapped[str] = mapped_column(String(64))
    annotation_kind: Mapped[str] = mapped_column(String(32))
    annotation_file_uri: Mapped[str] = mapped_column(Text)
    base_uris: Mapped[list[str] | None]
    images: Mapped[int]
    labels: Mapped[int]
    tags: Mapped[dict[str, Any]]
    changes: Mapped[list[str]]
    message: Mapped[str | None] = mapped_column(Text)
    saved_by: Mapped[str] = mapped_column(String(WHO_MAX_LENGTH))
    saved: Mapped[datetime]
