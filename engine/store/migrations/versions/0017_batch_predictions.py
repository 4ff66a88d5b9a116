"""Batch prediction runs."""

import sqlalchemy as sa
from alembic import op

from vision_customization.engine.store.tables import UtcDateTime

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "batch_prediction_runs",
        sa.Column("sequence", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("model_id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("source", sa.JSON(none_as_null=True)),
        sa.Column("source_token_encrypted", sa.Text()),
        sa.Column("dataset_name", sa.String(255)),
        sa.Column("result", sa.JSON(none_as_null=True)),
        sa.Column("result_token_encrypted", sa.Text()),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("progress", sa.JSON(none_as_null=True)),
        sa.Column("error", sa.JSON(none_as_null=True)),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.Column("updated", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_batch_prediction_runs")),
        sa.UniqueConstraint("id", name=op.f("uq_batch_prediction_runs_id")),
        sa.UniqueConstraint("model_id", "name", name=op.f("uq_batch_prediction_runs_model_id_name")),
        sa.ForeignKeyConstraint(
            ["model_id"], ["models.id"], name=op.f("fk_batch_prediction_runs_model_id_models"), ondelete="CASCADE"
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_batch_prediction_runs_status"), "batch_prediction_runs", ["status"])


def downgrade() -> None:
    op.drop_table("batch_prediction_runs")
