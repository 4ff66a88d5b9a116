"""Which change of a draft was an image's last, and the version that a draft was saved as."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("drafts", sa.Column("edit", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("drafts", sa.Column("saved_digest", sa.String(64), nullable=True))
    op.add_column("drafts", sa.Column("saved_updated", sa.DateTime(timezone=True), nullable=True))
    op.add_column("draft_images", sa.Column("edit", sa.Integer(), nullable=False, server_default="0"))
    op.create_index("ix_draft_images_edit", "draft_images", ["draft_sequence", "edit", "number"])


def downgrade() -> None:
    op.drop_index("ix_draft_images_edit", "draft_images")
    op.drop_column("draft_images", "edit")
    op.drop_column("drafts", "saved_updated")
    op.drop_column("drafts", "saved_digest")
    op.drop_column("drafts", "edit")
