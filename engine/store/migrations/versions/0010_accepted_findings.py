"""What people looked at in a dataset's health, and found to be right."""

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


def downgrade() -> None:
    op.drop_table("accepted_findings")
