"""Who manages models and published names, what models were trained from, how published names changed, and their gates; and
which failures people have dismissed. Of a name published so far, the history begins with its present model."""

import sqlalchemy as sa
from alembic import op

from vision_customization.engine.store.tables import UtcDateTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_MODELS = sa.table("models", sa.column("id", sa.String()), sa.column("name", sa.String()))
_PUBLISHED = sa.table(
    "published_models",
    sa.column("sequence", sa.Integer()),
    sa.column("name", sa.String()),
    sa.column("model_name", sa.String()),
    sa.column("updated", UtcDateTime()),
)
_PUBLICATIONS = sa.table(
    "publications",
    sa.column("name", sa.String()),
    sa.column("model_name", sa.String()),
    sa.column("model_id", sa.String()),
    sa.column("published", UtcDateTime()),
)


def upgrade() -> None:
    op.add_column("models", sa.Column("managed_by", sa.String(255)))
    op.add_column("models", sa.Column("training_content", sa.JSON()))
    op.add_column("published_models", sa.Column("require", sa.JSON()))
    op.add_column("published_models", sa.Column("managed_by", sa.String(255)))
    op.create_table(
        "publications",
        sa.Column("sequence", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("model_name", sa.String(255), nullable=False),
        sa.Column("model_id", sa.String(36)),
        sa.Column("published", UtcDateTime(), nullable=False),
        sa.Column("published_by", sa.String(255)),
        sa.Column("reason", sa.Text()),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_publications")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_publications_name"), "publications", ["name"])
    op.create_table(
        "dismissals",
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("dismissed_by", sa.String(255), nullable=False),
        sa.Column("dismissed", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "id", name=op.f("pk_dismissals")),
    )
    present = (
        sa.select(_PUBLISHED.c.name, _PUBLISHED.c.model_name, _MODELS.c.id, _PUBLISHED.c.updated)
        .select_from(_PUBLISHED.outerjoin(_MODELS, _MODELS.c.name == _PUBLISHED.c.model_name))
        .order_by(_PUBLISHED.c.sequence)
    )
    op.execute(sa.insert(_PUBLICATIONS).from_select(["name", "model_name", "model_id", "published"], present))


def downgrade() -> None:
    op.drop_table("dismissals")
    op.drop_table("publications")
    for table, column in (
        ("published_models", "managed_by"),
        ("published_models", "require"),
        ("models", "training_content"),
        ("models", "managed_by"),
    ):
        op.drop_column(table, column)
