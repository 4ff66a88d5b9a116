"""Inspections of datasets, and what people looked at there and found to be right."""

import sqlalchemy as sa
from alembic import op

from vision_customization.engine.store.tables import UtcDateTime

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "accepted_findings",
        sa.Column("dataset", sa.String(255), nullable=False),
        sa.Column("finding", sa.String(16), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("who", sa.String(255), nullable=False),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("dataset", "finding", "key", name=op.f("pk_accepted_findings")),
    )
    op.create_table(
        "inspections",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("dataset", sa.String(255), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("inputs", sa.JSON(), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("report", sa.Text(), nullable=True),
        sa.Column("error", sa.JSON(), nullable=True),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.Column("updated", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inspections")),
        sa.UniqueConstraint("dataset", name=op.f("uq_inspections_dataset")),
    )
    op.create_index(op.f("ix_inspections_status"), "inspections", ["status"])


def downgrade() -> None:
    op.drop_index(op.f("ix_inspections_status"), "inspections")
    op.drop_table("inspections")
    op.drop_table("accepted_findings")
