"""Which account of the identity provider began a session of the Studio."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("studio_sessions", sa.Column("account", sa.String(255)))
    op.create_index(op.f("ix_studio_sessions_account"), "studio_sessions", ["account"])


def downgrade() -> None:
    op.drop_index(op.f("ix_studio_sessions_account"), "studio_sessions")
    op.drop_column("studio_sessions", "account")
