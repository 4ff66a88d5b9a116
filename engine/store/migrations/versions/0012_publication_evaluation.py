"""The evaluation that a publication's gate judged. Of earlier publications, the engine does not know it."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("publications", sa.Column("evaluation", sa.String(255)))


def downgrade() -> None:
    op.drop_column("publications", "evaluation")
