"""Content indexes: what the annotation files of a dataset hold, to look at in pages."""

import sqlalchemy as sa
from alembic import op

from vision_customization.engine.store.tables import UtcDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "content_indexes",
        sa.Column("sequence", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("dataset_sequence", sa.Integer()),
        sa.Column("e_tag", sa.String(64), nullable=False),
        sa.Column("annotation_kind", sa.String(32), nullable=False),
        sa.Column("purpose", sa.String(16), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("images_read", sa.Integer(), nullable=False),
        sa.Column("images", sa.Integer(), nullable=False),
        sa.Column("unlabelled", sa.Integer(), nullable=False),
        sa.Column("labels", sa.Integer(), nullable=False),
        sa.Column("tags", sa.Integer(), nullable=False),
        sa.Column("problems", sa.JSON()),
        sa.Column("files", sa.JSON()),
        sa.Column("error", sa.JSON()),
        sa.Column("message", sa.Text()),
        sa.Column("check_wanted", sa.Boolean(), nullable=False),
        sa.Column("checked", UtcDateTime()),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.Column("updated", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_content_indexes")),
        sa.UniqueConstraint("id", name=op.f("uq_content_indexes_id")),
        sa.ForeignKeyConstraint(
            ["dataset_sequence"],
            ["datasets.sequence"],
            name=op.f("fk_content_indexes_dataset_sequence_datasets"),
            ondelete="SET NULL",
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_content_indexes_dataset_sequence"), "content_indexes", ["dataset_sequence"])
    op.create_index(op.f("ix_content_indexes_status"), "content_indexes", ["status"])
    op.create_table(
        "content_images",
        sa.Column("index_sequence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("query_encrypted", sa.Text()),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("width", sa.Double()),
        sa.Column("height", sa.Double()),
        sa.PrimaryKeyConstraint("index_sequence", "position", name=op.f("pk_content_images")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "content_labels",
        sa.Column("index_sequence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tag", sa.Integer(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("left", sa.Double()),
        sa.Column("top", sa.Double()),
        sa.Column("width", sa.Double()),
        sa.Column("height", sa.Double()),
        sa.PrimaryKeyConstraint("index_sequence", "position", "number", name=op.f("pk_content_labels")),
        sa.UniqueConstraint("index_sequence", "tag", "ordinal", name=op.f("uq_content_labels_index_sequence_tag_ordinal")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "content_selections",
        sa.Column("index_sequence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("selection", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("ordinal", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("index_sequence", "selection", "ordinal", name=op.f("pk_content_selections")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "content_addresses",
        sa.Column("index_sequence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("address", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("index_sequence", "address", "position", name=op.f("pk_content_addresses")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "content_tags",
        sa.Column("index_sequence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_digest", sa.String(64), nullable=False),
        sa.Column("images", sa.Integer(), nullable=False),
        sa.Column("labels", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("index_sequence", "number", name=op.f("pk_content_tags")),
        sa.UniqueConstraint("index_sequence", "name_digest", name=op.f("uq_content_tags_index_sequence_name_digest")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "content_problems",
        sa.Column("index_sequence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("position", sa.Integer()),
        sa.Column("message", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("index_sequence", "number", name=op.f("pk_content_problems")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    for table in ("problems", "tags", "addresses", "selections", "labels", "images", "indexes"):
        op.drop_table(f"content_{table}")
