"""The first tables."""

import sqlalchemy as sa
from alembic import op

from vision_customization.engine.store.tables import UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "datasets",
        sa.Column("sequence", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("name", sa.String(255), nullable=False, unique=True),
        sa.Column("annotation_kind", sa.String(32), nullable=False),
        sa.Column("annotation_file_uris", sa.JSON(), nullable=False),
        sa.Column("authentication_kind", sa.String(32)),
        sa.Column("sas_token_encrypted", sa.Text()),
        sa.Column("custom_properties", sa.JSON()),
        sa.Column("e_tag", sa.String(64), nullable=False),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.Column("updated", UtcDateTime(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "models",
        sa.Column("sequence", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(36), nullable=False, unique=True),
        sa.Column("name", sa.String(255), nullable=False, unique=True),
        sa.Column("training_dataset_name", sa.String(255), nullable=False),
        sa.Column("time_budget_in_hours", sa.Integer(), nullable=False),
        sa.Column("model_kind", sa.String(32), nullable=False),
        sa.Column("test_dataset_name", sa.String(255)),
        sa.Column("status", sa.String(16), nullable=False, index=True),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("started", UtcDateTime()),
        sa.Column("performance", sa.JSON()),
        sa.Column("cost_minutes", sa.Integer()),
        sa.Column("error", sa.JSON()),
        sa.Column("progress", sa.JSON()),
        sa.Column("artifact", sa.JSON()),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.Column("updated", UtcDateTime(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "evaluations",
        sa.Column("sequence", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(36), nullable=False, unique=True),
        sa.Column("model_id", sa.String(36), sa.ForeignKey("models.id", ondelete="CASCADE"), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("test_dataset_name", sa.String(255)),
        sa.Column("status", sa.String(16), nullable=False, index=True),
        sa.Column("performance", sa.JSON()),
        sa.Column("error", sa.JSON()),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.Column("updated", UtcDateTime(), nullable=False),
        sa.UniqueConstraint("model_id", "name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "published_models",
        sa.Column("sequence", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("name", sa.String(255), nullable=False, unique=True),
        sa.Column("model_name", sa.String(255), nullable=False),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.Column("updated", UtcDateTime(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "blobs",
        sa.Column("url_digest", sa.String(64), primary_key=True),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("seen", UtcDateTime(), nullable=False, index=True),
    )


def downgrade() -> None:
    for table in ("blobs", "published_models", "evaluations", "models", "datasets"):
        op.drop_table(table)
