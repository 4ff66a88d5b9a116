"""Digests of the contents of datasets, by which versions find the datasets that have them. Of an index that was read before, the
engine does not know it."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("content_indexes", sa.Column("content_digest", sa.String(64)))
    op.create_index(op.f("ix_content_indexes_content_digest"), "content_indexes", ["content_digest"])


def downgrade() -> None:
    op.drop_index(op.f("ix_content_indexes_content_digest"), "content_indexes")
    op.drop_column("content_indexes", "content_digest")
