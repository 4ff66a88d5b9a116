"""The tables of content indexes: what a dataset contains, as the engine has read it. A change here needs a migration in
`migrations/versions`."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Double, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from vision_customization.engine.store.tables import ID, Table


class ContentIndexRow(Table):
    """A content index of a dataset. One without `dataset_sequence` is of no use any more: its rows in the tables below, which
    have its `sequence` as `index_sequence`, are deleted a few at a time, and then this row."""

    __tablename__ = "content_indexes"
    __table_args__ = ({"sqlite_autoincrement": True},)  # the number of a deleted index may still have rows

    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(ID, unique=True)
    dataset_sequence: Mapped[int | None] = mapped_column(ForeignKey("datasets.sequence", ondelete="SET NULL"), index=True)
    e_tag: Mapped[str] = mapped_column(String(64))
    annotation_kind: Mapped[str] = mapped_column(String(32))
    purpose: Mapped[str] = mapped_column(String(16))
    status: Mapped[str] = mapped_column(String(16), index=True)
    images_read: Mapped[int] = mapped_column(default=0)
    images: Mapped[int] = mapped_column(default=0)
    unlabelled: Mapped[int] = mapped_column(default=0)
    labels: Mapped[int] = mapped_column(default=0)
    tags: Mapped[int] = mapped_column(default=0)
    problems: Mapped[list[dict[str, Any]] | None]
    files: Mapped[list[dict[str, Any]] | None]
    content_digest: Mapped[str | None] = mapped_column(String(64), index=True)
    error: Mapped[dict[str, Any] | None]
    message: Mapped[str | None] = mapped_column(Text)
    check_wanted: Mapped[bool] = mapped_column(default=False)
    checked: Mapped[datetime | None]
    created: Mapped[datetime]
    updated: Mapped[datetime]


class ContentImageRow(Table):
    __tablename__ = "content_images"
    __table_args__ = ({"sqlite_with_rowid": False},)

    index_sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    url: Mapped[str] = mapped_column(Text)
    query_encrypted: Mapped[str | None] = mapped_column(Text)
    file_name: Mapped[str] = mapped_column(Text)
    width: Mapped[float | None] = mapped_column(Double)
    height: Mapped[float | None] = mapped_column(Double)


class ContentLabelRow(Table):
    """Label `number` of the image at `position`, and `ordinal` of all of its tag, in the order of the images. Without a box,
    `left` and the others are null."""

    __tablename__ = "content_labels"
    __table_args__ = (UniqueConstraint("index_sequence", "tag", "ordinal"), {"sqlite_with_rowid": False})

    index_sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tag: Mapped[int]
    ordinal: Mapped[int]
    left: Mapped[float | None] = mapped_column(Double)
    top: Mapped[float | None] = mapped_column(Double)
    width: Mapped[float | None] = mapped_column(Double)
    height: Mapped[float | None] = mapped_column(Double)


class ContentSelectionRow(Table):
    """Image number `ordinal` of those that a filter selects. A `selection` of 0 or more is a tag."""

    __tablename__ = "content_selections"
    __table_args__ = ({"sqlite_with_rowid": False},)

    index_sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    selection: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    ordinal: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    position: Mapped[int]


class ContentAddressRow(Table):
    """The first 64 bits of the digest of an image's URL, to find its position."""

    __tablename__ = "content_addresses"
    __table_args__ = ({"sqlite_with_rowid": False},)

    index_sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    address: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)


class ContentTagRow(Table):
    """A name may be longer than an index entry, so its digest is unique."""

    __tablename__ = "content_tags"
    __table_args__ = (UniqueConstraint("index_sequence", "name_digest"), {"sqlite_with_rowid": False})

    index_sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(Text)
    name_digest: Mapped[str] = mapped_column(String(64))
    images: Mapped[int]
    labels: Mapped[int]


class ContentProblemRow(Table):
    __tablename__ = "content_problems"
    __table_args__ = ({"sqlite_with_rowid": False},)

    index_sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(32))
    position: Mapped[int | None]
    message: Mapped[str] = mapped_column(Text)
