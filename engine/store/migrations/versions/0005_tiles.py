"""How many tiles a detector looks at an image in: until now one, the whole."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("models", sa.Column("tiles", sa.Integer(), nullable=False, server_default="1"))


def downgrade() -> None:
    op.drop_column("models", "tiles")
