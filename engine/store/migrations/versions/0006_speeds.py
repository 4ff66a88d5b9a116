"""How fast this engine's machines train, as their workers measured it."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "speeds",
        sa.Column("work", sa.String(32), nullable=False),
        sa.Column("units", sa.Double(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("work", name=op.f("pk_speeds")),
    )


def downgrade() -> None:
    op.drop_table("speeds")
