"""Drafts of datasets, their images and labels, and the versions that are saved from them."""

import sqlalchemy as sa
from alembic import op

from vision_customization.engine.store.tables import UtcDateTime

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "drafts",
        sa.Column("sequence", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("annotation_kind", sa.String(32), nullable=False),
        sa.Column("dataset_name", sa.String(255), nullable=False),
        sa.Column("base_dataset", sa.String(255), nullable=True),
        sa.Column("base_uris", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("container", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("images", "unlabelled", "changed", "conflicts", "labels")),
        sa.Column("next_number", sa.Integer(), nullable=False),
        sa.Column("next_tag", sa.Integer(), nullable=False),
        sa.Column("created_by", sa.String(255), nullable=False),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.Column("updated", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_drafts")),
        sa.UniqueConstraint("id", name=op.f("uq_drafts_id")),
        sa.UniqueConstraint("name", name=op.f("uq_drafts_name")),
    )
    op.create_index(op.f("ix_drafts_dataset_name"), "drafts", ["dataset_name"])
    op.create_table(
        "draft_tags",
        sa.Column("draft_sequence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_digest", sa.String(64), nullable=False),
        sa.Column("base_name", sa.Text(), nullable=True),
        sa.Column("images", sa.Integer(), nullable=False),
        sa.Column("labels", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("draft_sequence", "number", name=op.f("pk_draft_tags")),
        sa.UniqueConstraint("draft_sequence", "name_digest", name=op.f("uq_draft_tags_draft_sequence_name_digest")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "draft_images",
        sa.Column("draft_sequence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("extension", sa.String(8), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("width", sa.Double(), nullable=True),
        sa.Column("height", sa.Double(), nullable=True),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("settled", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("base", sa.Text(), nullable=True),
        sa.Column("theirs", sa.Text(), nullable=True),
        sa.Column("changed_by", sa.String(255), nullable=True),
        sa.Column("changed", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("draft_sequence", "number", name=op.f("pk_draft_images")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_draft_images_draft_sequence_sha256"), "draft_images", ["draft_sequence", "sha256"])
    op.create_index("ix_draft_images_settled", "draft_images", ["draft_sequence", "settled", "number"])
    op.create_index("ix_draft_images_state", "draft_images", ["draft_sequence", "state", "number"])
    op.create_table(
        "draft_labels",
        sa.Column("draft_sequence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("ordinal", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tag", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Double(), nullable=True) for name in ("left", "top", "width", "height")),
        sa.PrimaryKeyConstraint("draft_sequence", "number", "ordinal", name=op.f("pk_draft_labels")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_draft_labels_draft_sequence_tag_number"), "draft_labels", ["draft_sequence", "tag", "number"])
    op.create_table(
        "versions",
        sa.Column("sequence", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("dataset_name", sa.String(255), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("annotation_kind", sa.String(32), nullable=False),
        sa.Column("annotation_file_uri", sa.Text(), nullable=False),
        sa.Column("base_uris", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("images", sa.Integer(), nullable=False),
        sa.Column("labels", sa.Integer(), nullable=False),
        sa.Column("tags", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("changes", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("saved_by", sa.String(255), nullable=False),
        sa.Column("saved", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_versions")),
        sa.UniqueConstraint("dataset_name", "digest", name=op.f("uq_versions_dataset_name_digest")),
    )


def downgrade() -> None:
    for table in ("versions", "draft_labels", "draft_images", "draft_tags", "drafts"):
        op.drop_table(table)
