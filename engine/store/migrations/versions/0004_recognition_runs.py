"""Product recognition runs."""

import sqlalchemy as sa
from alembic import op

from vision_customization.engine.store.tables import UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "recognition_runs",
        sa.Column("sequence", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("model_id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("result", sa.JSON()),
        sa.Column("error", sa.JSON()),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.Column("updated", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_recognition_runs")),
        sa.UniqueConstraint("id", name=op.f("uq_recognition_runs_id")),
        sa.UniqueConstraint("model_id", "name", name=op.f("uq_recognition_runs_model_id_name")),
        sa.ForeignKeyConstraint(
            ["model_id"], ["models.id"], name=op.f("fk_recognition_runs_model_id_models"), ondelete="CASCADE"
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_recognition_runs_status"), "recognition_runs", ["status"])


def downgrade() -> None:
    op.drop_table("recognition_runs")
